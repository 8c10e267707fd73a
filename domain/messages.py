"""Frozen values that cross the border between the desk and a broker."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from domain.enums import AssetClass, OrderType, Side, TimeInForce
from domain.exact import EXACT, round8
from domain.order_status import OrderStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertPrice:
    """What the alert said the market was: the price of a single, or the spread of a pair.

    Real brokers have no use for it; a paper venue without quotes fills at it.
    """

    price: Decimal
    leg: int = 1
    hedge_ratio: Decimal | None = None  # None for a single


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """How far a trailing stop stays behind the best price since it began: in percent, or in money a share; one of both.

    The best price is the highest for a sale and the lowest for a buy.
    """

    percent: Decimal | None = None
    price: Decimal | None = None

    @property
    def is_usable(self) -> bool:
        """Return True if it names one distance that a stop can keep."""
        if (self.percent is None) is (self.price is None):
            return False
        if self.percent is not None:
            return self.percent.is_finite() and 0 < self.percent < 100
        return self.price is not None and self.price.is_finite() and self.price > 0

    def stop(self, side: Side, best: Decimal) -> Decimal:
        """Return the stop of a trail that is usable, where `best` is the best price so far; exact."""
        away = EXACT.divide(EXACT.multiply(best, self.percent), 100) if self.percent is not None else self.price
        return EXACT.add(best, EXACT.multiply(side.sign, away or Decimal(0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """One order to be sent; quantity in shares (or units), prices in the instrument's currency."""

    client_order_id: str
    account: str
    symbol: str
    asset_class: AssetClass
    currency: str
    side: Side
    quantity: Decimal
    order_type: OrderType
    time_in_force: TimeInForce
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Trail | None = None
    extended_hours: bool = False  # may trade before the opening and after the close, where the broker has that
    alert_price: AlertPrice | None = None
    # Leg 2 as an order that the broker itself sizes: hedge_ratio x the fills of the order `attached_to`.
    attached_to: str | None = None
    hedge_ratio: Decimal | None = None
    is_urgent: bool = False  # it closes, or balances the legs of a pair: it goes before entries


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRef:
    """All that the desk knows of an order it may have sent, by which a broker finds it; it survives a restart.

    `broker_order_id` is None as long as the broker has not named one, `sent_at` (UTC) as long as nothing was sent.
    """

    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    broker_order_id: str | None = None
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """Other terms for a working order, under a client order id of their own; None = as before."""

    client_order_id: str
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FillReport:
    """One execution as the broker states it; commission in the instrument's currency, time aware UTC."""

    execution_id: str
    quantity: Decimal
    price: Decimal
    commission: Decimal
    at: datetime
    synthetic: bool = False  # the price, or the execution itself, was derived and not observed


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledTotal:
    """What a broker says that an order has filled in all, at which average price.

    `is_settled`: the broker has had the time to show each execution of it, and was asked for them by the order's name.
    """

    quantity: Decimal
    average_price: Decimal
    is_settled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport:
    """What the broker knows of one order, with all its fills so far.

    `client_order_id` is empty where the broker does not tell our id. `replaced_by` is the broker's id of the order that
    took this one's place, `replaces` of the one whose place this one took.
    """

    client_order_id: str
    broker_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    status: OrderStatus
    at: datetime
    reason: str = ""
    fills: tuple[FillReport, ...] = field(default_factory=tuple)
    sent_at: datetime | None = None  # when the broker got it, UTC; None = it does not say
    replaces: str = ""
    replaced_by: str = ""
    total: FilledTotal | None = None  # None = the broker says no more than the executions do

    @property
    def filled(self) -> Decimal:
        """Return what is filled, at the decimals that are kept: by executions, or by a settled total that is more."""
        shown = Decimal(0)
        for fill in self.fills:
            shown = EXACT.add(shown, fill.quantity)
        if self.total is not None and self.total.is_settled:
            shown = max(shown, self.total.quantity)
        return round8(shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The answer to a look-up of one order: its report, or what may be it, or that it is not there.

    `candidates` are orders that the broker shows without our id, and that look like the one asked for. `is_proof`: no
    report means that the broker does not have the order; otherwise it only does not show it.
    """

    report: OrderReport | None = None
    candidates: tuple[OrderReport, ...] = ()
    is_proof: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionReport:
    """A holding at the broker; quantity is signed, negative = short."""

    symbol: str
    quantity: Decimal
    average_price: Decimal
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountReport:
    """Money at the broker, in the account's currency; `blocked` says why it takes no orders, empty = it does.

    `cash_power` is what may be spent on things that are not bought on margin, `coins_blocked` why no coins are traded.
    """

    account: str
    cash: Decimal
    currency: str
    at: datetime
    buying_power: Decimal
    equity: Decimal
    cash_power: Decimal
    may_short: bool
    coins_blocked: str
    blocked: str = ""
    number: str = ""  # what the broker calls the account


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetReport:
    """What may be done with a symbol at the broker; steps in shares, 1 = whole shares only.

    `short_step` is the step of orders that open or enlarge a short position; None = as all others.
    `always_open`: it trades day and night, whatever the session of the account says. `not_bought` says why nothing is
    opened by a buy, empty = it may be. What is None is as for all of its class, and the class itself as registered.
    """

    symbol: str
    tradable: bool
    shortable: bool
    quantity_step: Decimal
    at: datetime
    short_step: Decimal | None = None
    always_open: bool = False
    asset_class: AssetClass | None = None
    price_step: Decimal | None = None
    least_value: Decimal | None = None
    least_quantity: Decimal | None = None
    extended_fractions: bool = False  # parts of a share before the opening and after the close
    overnight: bool = False  # it trades between the late and the early session too
    not_bought: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteReport:
    """The best prices of a symbol; `at` is the time of the quote itself, `source` who says so."""

    symbol: str
    bid: Decimal
    ask: Decimal
    at: datetime
    source: str

    @property
    def middle(self) -> Decimal:
        """Return the price halfway between bid and ask."""
        return (self.bid + self.ask) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionReport:
    """Whether the market of this account takes orders now, and when that changes (None = never, or not known).

    `is_overnight`: it is closed, and what trades overnight is traded now.
    """

    is_open: bool
    at: datetime
    opens_at: datetime | None = None
    closes_at: datetime | None = None
    is_overnight: bool = False

    def has_turned(self, now: datetime) -> bool:
        """Return True if the market was to open, or to close, since this was said; then it says nothing of now."""
        turn = self.closes_at if self.is_open else self.opens_at
        return turn is not None and turn <= now
