"""What can go wrong in the desk's own terms; knows nothing of HTTP.

TradingError
├── InvalidInput        a field breaks a rule
├── NotFound            no such row
├── AlreadyExists       the name is taken
├── Conflict            collides with what already happened
│   ├── IllegalTransition
│   └── NotConfigured   this desk has no settings for it
├── PayloadMismatch     the same key with other content
├── NotAuthenticated    who are you
├── NotAllowed          not yours
├── TooMany             slow down
├── DatabaseBusy        try again
└── BrokerAway          the broker cannot be asked now, or what it did is not known yet
"""

from collections.abc import Mapping


class TradingError(Exception):
    """Base of every refusal that a client is told about."""

    code = "error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidInput(TradingError):
    """One or more fields break a rule; `fields` maps each name to the rule in words."""

    code = "invalid"

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {rule}" for name, rule in fields.items()))
        self.fields = dict(fields)


class NotFound(TradingError):
    code = "not_found"


class AlreadyExists(TradingError):
    code = "exists"


class Conflict(TradingError):
    code = "conflict"


class IllegalTransition(Conflict):
    """A status may not move this way; the text names both statuses."""

    code = "illegal_transition"

    def __init__(self, what: str, old: str, new: str) -> None:
        super().__init__(f"{what} cannot go from '{old}' to '{new}'.")
        self.old, self.new = old, new


class NotConfigured(Conflict):
    code = "not_configured"


class PayloadMismatch(TradingError):
    code = "payload_mismatch"


class NotAuthenticated(TradingError):
    """Credentials are missing or wrong; `code` is the word that v3 clients know."""

    def __init__(self, message: str, code: str = "unauthorized") -> None:
        super().__init__(message)
        self.code = code


class NotAllowed(TradingError):
    code = "forbidden"


class TooMany(TradingError):
    """Too many tries; `retry_after` in seconds."""

    code = "too_many"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DatabaseBusy(TradingError):
    code = "database_busy"


class BrokerAway(TradingError):
    code = "broker_away"
