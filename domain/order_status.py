"""Statuses of orders and signals, and the one table of legal moves for each."""

from enum import StrEnum

from domain.errors import IllegalTransition


class OrderStatus(StrEnum):
    QUEUED = "QUEUED"
    CLAIMED = "CLAIMED"
    SENDING = "SENDING"
    UNKNOWN = "UNKNOWN"
    MANUAL = "MANUAL"
    ACCEPTED = "ACCEPTED"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCEL_PENDING = "CANCEL_PENDING"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REPLACED = "REPLACED"
    REJECTED = "REJECTED"
    DENIED = "DENIED"
    STALE = "STALE"


S = OrderStatus

IN_FLIGHT = frozenset({S.CLAIMED, S.SENDING, S.UNKNOWN})  # at most one of these for an account and symbol
AT_BROKER = frozenset({S.ACCEPTED, S.PARTIALLY_FILLED, S.CANCEL_PENDING})
NEVER_SENT = frozenset({S.DENIED, S.STALE})
CLOSED = frozenset({S.FILLED, S.CANCELED, S.EXPIRED, S.REPLACED, S.REJECTED}) | NEVER_SENT
FAILED = frozenset({S.CANCELED, S.EXPIRED, S.REJECTED}) | NEVER_SENT
OPEN = frozenset(S) - CLOSED

_FROM_BROKER = frozenset({S.ACCEPTED, S.PARTIALLY_FILLED, S.FILLED, S.CANCELED, S.EXPIRED, S.REJECTED})

TRANSITIONS: dict[OrderStatus, frozenset[OrderStatus]] = {
    S.QUEUED: frozenset({S.CLAIMED, S.DENIED, S.STALE, S.CANCELED}),
    # An expired lease proves that nothing was sent: only SENDING is committed before the first byte.
    S.CLAIMED: frozenset({S.SENDING, S.QUEUED, S.STALE, S.DENIED, S.CANCELED}),
    # Back to QUEUED only where nothing left the machine, or the broker said "later" (429).
    S.SENDING: _FROM_BROKER | {S.UNKNOWN, S.QUEUED, S.DENIED},
    # QUEUED only on proof of absence, and only where the broker refuses a repeated client order id.
    # REPLACED where somebody gave it other terms at the broker meanwhile.
    S.UNKNOWN: _FROM_BROKER | {S.QUEUED, S.MANUAL, S.REPLACED},
    # Back to UNKNOWN once a person has said which of the broker's orders it is.
    S.MANUAL: _FROM_BROKER | {S.UNKNOWN, S.REPLACED},
    S.ACCEPTED: _FROM_BROKER - {S.ACCEPTED} | {S.CANCEL_PENDING, S.REPLACED},
    S.PARTIALLY_FILLED: frozenset({S.FILLED, S.CANCEL_PENDING, S.CANCELED, S.EXPIRED, S.REPLACED}),
    S.CANCEL_PENDING: _FROM_BROKER | {S.REPLACED},
    # A fill may cross our cancel on the wire; the fill is booked, and a complete one wins.
    S.CANCELED: frozenset({S.FILLED}),
    S.EXPIRED: frozenset({S.FILLED}),
    S.FILLED: frozenset(),
    S.REPLACED: frozenset(),
    S.REJECTED: frozenset(),
    S.DENIED: frozenset(),
    S.STALE: frozenset(),
}

# What only the comparison with the broker's own book may do, because the broker has shown it: an order that we
# took for dead, or that was to be sent again, lives there, or one that we took for alive is not to be found there.
BY_EVIDENCE: dict[OrderStatus, frozenset[OrderStatus]] = {
    S.QUEUED: _FROM_BROKER,
    **{dead: _FROM_BROKER - {dead} for dead in (S.REJECTED, S.DENIED, S.STALE, S.CANCELED, S.EXPIRED)},
    **{live: frozenset({S.UNKNOWN}) for live in (S.ACCEPTED, S.PARTIALLY_FILLED, S.CANCEL_PENDING)},
}


def check_transition(old: OrderStatus, new: OrderStatus, *, by_evidence: bool = False) -> None:
    """Raise IllegalTransition unless an order may go from `old` to `new`."""
    if new in TRANSITIONS[old] or (by_evidence and new in BY_EVIDENCE.get(old, frozenset())):
        return
    raise IllegalTransition("order", old, new)


class SignalStatus(StrEnum):
    """Statuses of a signal: the words that v3 clients know."""

    WAITING = "waiting"
    REROUTED = "rerouted"
    CREATED = "created"
    LEG_FILLED = "filled(...)"
    PART_FILLED = "part.filled"
    FILLED = "filled"
    CANCELED = "canceled"
    ERROR = "error"
    CRITICAL = "critical err"


W = SignalStatus
_LIVE = frozenset({W.CREATED, W.LEG_FILLED, W.PART_FILLED, W.FILLED, W.CANCELED, W.ERROR, W.CRITICAL})

SIGNAL_TRANSITIONS: dict[SignalStatus, frozenset[SignalStatus]] = {
    W.WAITING: _LIVE | {W.REROUTED},
    W.REROUTED: _LIVE,
    W.CREATED: _LIVE - {W.CREATED} | {W.REROUTED},
    W.LEG_FILLED: frozenset({W.PART_FILLED, W.FILLED, W.CRITICAL}),
    W.PART_FILLED: frozenset({W.LEG_FILLED, W.FILLED, W.CRITICAL}),
    W.FILLED: frozenset(),
    # A fill can cross the cancel of an order, and can be reported after the refusal of the other leg.
    W.CANCELED: frozenset({W.PART_FILLED, W.LEG_FILLED, W.FILLED, W.CRITICAL}),
    # A v3 executor marks a non-fatal broker message as "error" while the order lives on.
    W.ERROR: frozenset({W.LEG_FILLED, W.PART_FILLED, W.FILLED, W.CANCELED, W.CRITICAL}),
    W.CRITICAL: frozenset({W.PART_FILLED, W.LEG_FILLED, W.FILLED, W.CANCELED, W.ERROR}),
}


def check_signal_transition(old: SignalStatus, new: SignalStatus) -> None:
    """Raise IllegalTransition unless a signal may go from `old` to `new`; staying is always legal."""
    if new is not old and new not in SIGNAL_TRANSITIONS[old]:
        raise IllegalTransition("signal", old, new)
