"""The values of planning: what a signal asks for, all that may be looked at, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from domain.alert import NO_TERMS, OwnTerms
from domain.checks.facts import Facts
from domain.checks.rules import Rules
from domain.enums import (
    AssetClass,
    FailurePolicy,
    LegPolicy,
    OrderType,
    Side,
    Source,
    TickerType,
    TimeInForce,
    WhenClosed,
)
from domain.intake import Decision
from domain.lanes.position_reversal import AccountHolding
from domain.lanes.values import Kind, Lane
from domain.messages import Trail
from domain.order_status import SignalStatus
from domain.trace import step
from domain.venue.costs import NO_COSTS, Costs
from domain.venue.order_plans import BrokerFacts

ZERO = Decimal(0)
Steps = list[dict[str, Any]]
CUT = "cut"  # the outcome of a step that says why less, or more, is traded than the alert says


class InstrumentTerms(NamedTuple):
    """How an instrument is traded."""

    symbol: str
    asset_class: str = AssetClass.STOCK
    currency: str = "USD"
    order_type: OrderType = OrderType.MARKET
    time_in_force: TimeInForce = TimeInForce.DAY
    extended_hours: bool = False


class PairTerms(NamedTuple):
    """How the legs of a pair belong together; `timeout` in seconds, None = as the desk is set."""

    policy: LegPolicy = LegPolicy.TOGETHER
    on_failure: FailurePolicy = FailurePolicy.UNWIND
    timeout: int | None = None


USUAL_PAIR = PairTerms()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTerms:
    """How an order is to be traded; prices in the instrument's currency."""

    order_type: OrderType = OrderType.MARKET
    time_in_force: TimeInForce = TimeInForce.DAY
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Trail | None = None
    extended_hours: bool = False
    of_alert: bool = False  # the alert asks for it, whatever is registered


MARKET = OrderTerms()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One signal as planning looks at it; quantity in shares of leg 1, `bound` and `previous` signed positions."""

    signal_id: int
    source: Source
    name: str
    kind: TickerType
    account: str
    symbols: tuple[str, ...]
    side: Side
    quantity: Decimal
    price: Decimal | None = None
    hedge_ratio: Decimal | None = None
    bound: Decimal | None = None
    previous: Decimal | None = None
    when_closed: WhenClosed | None = None
    own_terms: OwnTerms = NO_TERMS
    aimed_at: Decimal | None = None  # where it led when it first had to wait, if the alert does not say it

    @property
    def is_pair(self) -> bool:
        """Return True for a signal of two legs."""
        return self.kind is TickerType.PAIR and len(self.symbols) == 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanContext:
    """All that planning one signal may look at, at one moment.

    `facts` are the checks' inputs, without legs yet. `registered` is what the catalog says now, None for signals of the
    desk's own. `positions` are the whole account's by symbol, `averages` what this book paid.
    """

    now: datetime
    lane: Lane
    facts: Facts
    rules: Rules
    broker: BrokerFacts
    registered: Decision | None = None
    instruments: Mapping[str, InstrumentTerms] = field(default_factory=dict)
    pair: PairTerms = USUAL_PAIR
    attached_hedge: bool = False
    live_is_off: bool = False
    account_positions: Mapping[str, Decimal] = field(default_factory=dict)
    holdings: Mapping[str, AccountHolding] = field(default_factory=dict)
    averages: Mapping[str, Decimal] = field(default_factory=dict)
    fees_on_record: Decimal = ZERO  # of leg 1, where it is a coin
    first_steps: Sequence[dict[str, Any]] = ()

    def step_of(self, symbol: str, short: bool = False) -> Decimal:
        """Return the smallest part of a share of a symbol that can be traded."""
        return self.broker.step_of(symbol, short=short)

    def terms_of(self, symbol: str) -> InstrumentTerms:
        """Return how a symbol is traded; one that is not registered as a stock at the market."""
        return self.instruments.get(symbol) or InstrumentTerms(symbol)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanLeg:
    """One leg of a plan; quantities and step in shares.

    Of `quantity`, `closes` shares close what is held. `first` is how much of it the first order is for, where the venue
    turns no position round by one order; 0 = all of it.
    """

    number: int
    symbol: str
    asset_class: str
    currency: str
    side: Side
    quantity: Decimal
    step: Decimal
    terms: OrderTerms = MARKET
    closes: Decimal = ZERO
    first: Decimal = ZERO
    is_exit: bool = False

    @property
    def order_quantity(self) -> Decimal:
        """Return the quantity of the first order."""
        return self.first or self.quantity

    @property
    def order_closes(self) -> Decimal:
        """Return how much of the first order closes what is held."""
        return self.order_quantity if self.is_exit or self.first else self.closes


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """Orders to be made, and how their legs belong together; `cost` is about what growing holdings need, in money."""

    kind: Kind
    legs: tuple[PlanLeg, ...]
    steps: Steps
    policy: LegPolicy = LegPolicy.TOGETHER
    on_failure: FailurePolicy = FailurePolicy.UNWIND
    timeout: int | None = None
    lead: int = 1
    not_after: datetime | None = None
    cost: Costs = NO_COSTS
    waits: bool = False  # for orders of others, which are about to trade what it would close
    left_out: str | None = None
    passes: tuple[int, ...] = ()

    @property
    def is_exit(self) -> bool:
        """Return True if it only makes a position smaller."""
        return self.kind is Kind.EXIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The signal is not traded, and ends."""

    status: SignalStatus
    reason: str
    text: str
    steps: Steps
    passes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Not now, but then: its market is closed."""

    until: datetime
    reason: str
    kind: Kind
    steps: Steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """It waits for other orders of the desk's own; `cancel` are those whose end is asked for. `aimed_at` is kept."""

    reason: str
    kind: Kind
    look_at: datetime
    aimed_at: Decimal
    cancel: tuple[int, ...] = ()


Outcome = Planned | Refused | Held | Waits


def note(check: str, ok: bool, text: str, **values: object) -> dict[str, Any]:
    """Return one step of a trace."""
    return step(check, ok, text, **values)
