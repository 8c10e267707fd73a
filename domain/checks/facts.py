"""Everything the checks go by, as plain values; what is not known is None or absent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from domain.checks.hours import Session
from domain.checks.rules import Subject
from domain.enums import MarketPosition, Scope, Side, WhenClosed
from domain.lanes.values import Kind
from domain.messages import QuoteReport
from domain.stops import StopInForce

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class PlannedLeg:
    """One order to be; quantity in shares, above 0."""

    symbol: str
    side: Side
    quantity: Decimal

    @property
    def change(self) -> Decimal:
        """Return the signed change of the holding."""
        return self.side.sign * self.quantity


@dataclass(frozen=True, slots=True)
class BookLine:
    """One symbol in one book: what is held, and what open orders may still change; both signed, in shares."""

    name: str
    symbol: str
    held: Decimal = ZERO
    working: Decimal = ZERO
    average_price: Decimal | None = None
    is_worked: bool = False

    @property
    def expected(self) -> Decimal:
        """Return the holding once all open orders are filled."""
        return self.held + self.working

    @property
    def is_open(self) -> bool:
        """Return True if anything is held or worked."""
        return self.held != 0 or self.is_worked


@dataclass(frozen=True, slots=True)
class LastTarget:
    """The last signal of the same name that was traded, at whichever account.

    `target` signed, None = it named no position; `account` None = that of the signal itself.
    """

    rowid: int
    target: Decimal | None
    at: datetime
    account: str | None = None


@dataclass(frozen=True, slots=True)
class NotTraded:
    """A signal of the same name that aimed at where this one starts, but came to nothing."""

    rowid: int
    status: str


@dataclass(frozen=True, slots=True)
class Money:
    """What the broker last said of the account's money."""

    cash: Decimal | None
    buying_power: Decimal | None


@dataclass(frozen=True, slots=True)
class MeanSlip:
    """The mean slip of so many fills, weighted by quantity; negative = worse than the alerts' prices."""

    mean: Decimal
    fills: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One signal and the world around it at one moment."""

    subject: Subject
    symbols: tuple[str, ...]
    rowid: int = 0
    now: datetime
    received_at: datetime
    alert_at: datetime | None = None  # when the alert fired, by its own word
    held_until: datetime | None = None
    desk_lifetime: Decimal = Decimal(120)  # seconds

    # What the alert says.
    side: Side
    quantity: Decimal
    price: Decimal | None = None
    hedge_ratio: Decimal | None = None  # of a pair
    position: MarketPosition | None = None
    position_size: Decimal | None = None
    previous_position: MarketPosition | None = None
    previous_position_size: Decimal | None = None
    lifetime: Decimal | None = None
    when_closed: WhenClosed | None = None

    # How it is to be traded. Empty legs: not sized yet.
    to_target: bool = False  # the alert's position counts, not its contracts
    kind: Kind | None = None  # as its lane has decided
    legs: tuple[PlannedLeg, ...] = ()

    # The world; gathered only for the checks that are on.
    books: tuple[BookLine, ...] = ()  # this book's lines, and all of the same symbols at the account
    stops: tuple[StopInForce, ...] = ()
    newer_waiting: int | None = None  # rowid
    last: LastTarget | None = None
    not_traded: NotTraded | None = None
    quotes: Mapping[str, QuoteReport] = field(default_factory=dict)
    money: Money | None = None
    open_books: frozenset[tuple[str, str]] = frozenset()  # (account, name)
    # What today earned, by scope and currency; "" = the currency is not known.
    results: Mapping[Scope, Mapping[str, Decimal]] = field(default_factory=dict)
    account_currency: str | None = None  # what the account counts in; None = the broker has not said
    orders_in_minute: Mapping[Scope, int] = field(default_factory=dict)
    orders_of_stocks: Mapping[str, int] = field(default_factory=dict)  # by symbol: those of the minute, in any book
    sessions: Mapping[str, Session | None] = field(default_factory=dict)  # by symbol; None = hours not known
    mean_slip: MeanSlip | None = None

    @property
    def target(self) -> Decimal | None:
        """Return the signed position the alert aims at."""
        return signed(self.position, self.position_size)

    @property
    def previous(self) -> Decimal | None:
        """Return the signed position the alert starts from."""
        return signed(self.previous_position, self.previous_position_size)

    def own(self, symbol: str) -> BookLine:
        """Return this book's line of a symbol; an empty one where there is none."""
        for line in self.books:
            if line.symbol == symbol and line.name == self.subject.name:
                return line
        return BookLine(self.subject.name, symbol)

    def expected(self, symbol: str) -> Decimal:
        """Return what this book comes to of a symbol once all its open orders are filled."""
        return self.own(symbol).expected

    @property
    def is_exit(self) -> bool:
        """Return True if the signal only makes this book's position smaller."""
        if self.kind is not None:
            return self.kind is Kind.EXIT
        held = {symbol: self.own(symbol).expected for symbol in self.symbols}
        if self.legs:
            return is_exit(self.legs, held)
        first = self.symbols[0]
        if self.to_target and self.target is not None:
            return only_reduces(held[first], self.target - held[first])
        return only_reduces(held[first], self.side.sign * self.quantity)


def signed(position: MarketPosition | None, size: Decimal | None) -> Decimal | None:
    """Return a position as one signed number, negative = short; None when the alert does not say it."""
    if position is MarketPosition.FLAT or size == 0:
        return ZERO
    if position is None or size is None:
        return None
    return size if position is MarketPosition.LONG else -size


def only_reduces(held: Decimal, change: Decimal) -> bool:
    """Return True if a change makes a signed holding smaller without turning it round."""
    return held * change < 0 and abs(change) <= abs(held)


def is_exit(legs: tuple[PlannedLeg, ...], held: Mapping[str, Decimal]) -> bool:
    """Return True if orders are an exit, given what the book holds of each symbol once its open orders are filled.

    Leg 1 must only reduce. The other leg may pass through zero by what hedging had rounded or
    drifted, as long as less of it is left than before.
    """
    if not legs:
        return False
    first, *others = legs
    if not only_reduces(held.get(first.symbol, ZERO), first.change):
        return False
    return all(abs(held.get(leg.symbol, ZERO) + leg.change) <= abs(held.get(leg.symbol, ZERO)) for leg in others)
