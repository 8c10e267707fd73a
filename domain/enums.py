"""The closed vocabularies of the desk, in the field's standard terms."""

from enum import StrEnum


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> "Side":
        """Return the other side."""
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        """Return +1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1


class OrderType(StrEnum):
    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP = "STOP"  # to the market, once the price has come to the stop
    STOP_LIMIT = "STOP_LIMIT"  # a limit order, once the price has come to the stop
    TRAILING_STOP = "TRAILING_STOP"  # a stop that follows the best price at a distance; only alerts ask for it
    RELATIVE = "RELATIVE"  # pegged to the best price; only some brokers have it

    @property
    def has_limit(self) -> bool:
        """Return True if it names the worst price it takes."""
        return self in (OrderType.LIMIT, OrderType.STOP_LIMIT)

    @property
    def has_stop(self) -> bool:
        """Return True if it waits for a price that it names."""
        return self in (OrderType.STOP, OrderType.STOP_LIMIT)

    @property
    def has_trail(self) -> bool:
        """Return True if its stop follows the market."""
        return self is OrderType.TRAILING_STOP


class TimeInForce(StrEnum):
    DAY = "DAY"
    GTC = "GTC"  # good till canceled
    OPG = "OPG"  # in the opening auction
    CLS = "CLS"  # in the closing auction
    IOC = "IOC"  # what is not filled at once is canceled
    FOK = "FOK"  # all at once or nothing


class AssetClass(StrEnum):
    STOCK = "STK"
    FX = "CASH"
    CRYPTO = "CRYPTO"
    FUTURE = "FUT"


class TickerType(StrEnum):
    SINGLE = "single"
    PAIR = "pair"


class MarketPosition(StrEnum):
    LONG = "long"
    SHORT = "short"
    FLAT = "flat"


class Activity(StrEnum):
    """Whether a stock or pair is traded; the numbers are those of the v3 API."""

    ACTIVE = "active"
    PASSIVE = "passive"
    WATCH = "watch"

    @classmethod
    def from_number(cls, number: int) -> "Activity":
        """Return the member for 1, 0 or -1."""
        return {1: cls.ACTIVE, 0: cls.PASSIVE, -1: cls.WATCH}[number]

    @property
    def number(self) -> int:
        """Return 1, 0 or -1."""
        return {Activity.ACTIVE: 1, Activity.PASSIVE: 0, Activity.WATCH: -1}[self]


class LegPolicy(StrEnum):
    """When leg 2 of a pair is sent."""

    TOGETHER = "together"  # both at the same moment
    LEG1_FIRST = "leg1_first"  # leg 2 follows the fills of leg 1
    ATTACHED = "attached"  # the broker itself sends leg 2 as leg 1 fills


class FailurePolicy(StrEnum):
    """What becomes of the other leg when one has failed for certain."""

    UNWIND = "unwind"  # trade back what is not balanced
    COMPLETE = "complete"  # send the failed leg again
    HOLD = "hold"  # leave it to a person


class Purpose(StrEnum):
    """Why an order exists."""

    SIGNAL = "signal"  # what the alert asked for
    COMPLETE = "complete"  # a failed leg sent again
    UNWIND = "unwind"  # trades back a leg whose other leg failed


class Source(StrEnum):
    """Who asks for a signal."""

    WEBHOOK = "webhook"
    FLATTEN = "flatten"  # a stop of the level `flatten`
    HEAL = "heal"  # a person's answer to a drifted hedge


class Scope(StrEnum):
    """What a limit or a stop covers; the name of the account, stock or pair stands beside it."""

    DESK = "desk"
    ACCOUNT = "account"
    STOCK = "stock"
    PAIR = "pair"


class CheckMode(StrEnum):
    """What a check does when it fails."""

    OFF = "off"
    WARN = "warn"  # goes on the trace and into the log; the signal is traded all the same
    REFUSE = "refuse"


class StopLevel(StrEnum):
    """How far a stop goes; each level includes those before it."""

    ENTRIES = "entries"  # no new position, no larger one; exits go on
    CANCEL = "cancel"  # and working orders are canceled
    FLATTEN = "flatten"  # and positions are closed


class WhenClosed(StrEnum):
    """What becomes of an alert that comes while its market is closed."""

    EXPIRE = "expire"
    HOLD = "hold"  # it waits for the open; its lifetime counts from there


class Route(StrEnum):
    """Who executes an account's signals: this desk, or an executor of the user's own that polls the API."""

    DESK = "desk"
    EXTERNAL = "external"


class Environment(StrEnum):
    """Which of a broker's venues an account belongs to; each has keys of its own."""

    PAPER = "paper"  # the broker's play money, or the built-in paper venue
    LIVE = "live"  # real money: nothing is sent before a person has switched it on
    SIMULATOR = "simulator"  # a program on this machine that behaves like the broker


class Role(StrEnum):
    ADMIN = "admin"
    USER = "user"
