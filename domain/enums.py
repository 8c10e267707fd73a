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
    RELATIVE = "RELATIVE"  # pegged to the best price; only some brokers have it


class TimeInForce(StrEnum):
    DAY = "DAY"
    GTC = "GTC"
    IOC = "IOC"


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


class Route(StrEnum):
    """Who executes an account's signals: this desk, or an executor of the user's own that polls the API."""

    DESK = "desk"
    EXTERNAL = "external"


class Role(StrEnum):
    ADMIN = "admin"
    USER = "user"
