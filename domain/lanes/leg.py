"""One leg of a signal: what it should come to, its orders, and how it stands."""

from dataclasses import dataclass, field, replace
from decimal import Decimal

from domain.enums import FailurePolicy, LegPolicy, Purpose, Side
from domain.lanes.roll_up import SHORT
from domain.order_status import CLOSED, OrderStatus
from domain.pricing import average_price
from domain.sizing import round_down

S = OrderStatus
MOST_FIXES = 3  # orders to trade one leg back, or to send it again, before a person must look
UNSETTLED = frozenset({S.CLAIMED, S.SENDING, S.UNKNOWN, S.MANUAL})
DOUBTFUL = frozenset({S.UNKNOWN, S.MANUAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class LegPlan:
    """What one leg should come to; quantities in shares."""

    side: Side
    quantity: Decimal
    step: Decimal
    # So much of it closes a position of the other direction, by an order of its own: some venues take no order
    # that turns a long position into a short one. 0 = all by one order.
    closes: Decimal = Decimal(0)

    def attainable(self, quantity: Decimal) -> Decimal:
        """Return how much of a quantity can be traded: a fraction that is held is closed, but none is opened."""
        if self.closes <= 0 or quantity <= self.closes:
            return quantity
        return self.closes + round_down(quantity - self.closes, self.step)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairPlan:
    """How a pair is traded; `lead` is the number of the leg that goes first where one does."""

    legs: tuple[LegPlan, LegPlan]
    policy: LegPolicy
    on_failure: FailurePolicy
    lead: int = 1
    is_exit: bool = False  # it closes what is held, so neither leg may be left unclosed


@dataclass(frozen=True, slots=True, kw_only=True)
class LegOrder:
    """One order as the book has it."""

    id: int
    leg: int
    side: Side
    quantity: Decimal
    filled: Decimal
    status: OrderStatus
    price: Decimal | None = None
    purpose: Purpose = Purpose.SIGNAL
    reason: str | None = None
    cancel_requested: bool = False
    was_sent: bool = True

    @property
    def is_open(self) -> bool:
        """Return True if it may still be filled."""
        return self.status not in CLOSED


@dataclass(frozen=True, slots=True)
class Send:
    """Make a new order for a leg, to the market."""

    leg: int
    side: Side
    quantity: Decimal
    purpose: Purpose
    attempt: int


@dataclass(frozen=True, slots=True)
class Cancel:
    """End a working order."""

    order_id: int
    why: str


Move = Send | Cancel


@dataclass(slots=True)
class Leg:
    """One leg with its orders."""

    number: int
    plan: LegPlan
    orders: list[LegOrder]
    want: Decimal = field(init=False)
    follows: bool = False  # it is sent as the other leg fills, so what it lacks need not have failed

    def __post_init__(self) -> None:
        self.want = self.plan.quantity

    @property
    def net(self) -> Decimal:
        return sum((o.filled if o.side is self.plan.side else -o.filled for o in self.orders), Decimal(0))

    @property
    def open(self) -> list[LegOrder]:
        return [o for o in self.orders if o.is_open]

    @property
    def forward(self) -> list[LegOrder]:
        return [o for o in self.orders if o.purpose is not Purpose.UNWIND]

    @property
    def ordered(self) -> Decimal:
        """What it has and what its open orders may still bring."""
        return self.net + sum((o.quantity - o.filled for o in self.open if o.purpose is not Purpose.UNWIND), Decimal(0))

    @property
    def failed(self) -> LegOrder | None:
        """The order that ended short and left this leg short, if it did."""
        if any(o.purpose is not Purpose.UNWIND for o in self.open) or self.net >= self.want:
            return None
        last = self.forward[-1] if self.forward else None
        if last is not None and self.plan.closes > 0 and last.status is OrderStatus.FILLED and last.cancel_requested:
            return replace(last, status=OrderStatus.CANCELED)  # filled all the same, but what was to follow is not sent
        short = next((o for o in reversed(self.forward) if o.status in SHORT), None)
        goes_on = self.follows or (
            self.plan.closes > 0 and self.closed_first
        )  # being short of the whole need not be a failure
        if goes_on and short is not None and any(_makes_good(o, short) for o in self.forward):
            return None
        return short

    @property
    def closed_first(self) -> bool:
        """Return True if what it closes of the other direction is closed, so that the rest may follow."""
        return self.net >= self.plan.closes

    @property
    def traded_back(self) -> bool:
        """Return True if some of what it had was traded back."""
        return any(o.purpose is Purpose.UNWIND and o.filled > 0 for o in self.orders)

    @property
    def waits_to_open(self) -> bool:
        """Return True if it has closed the old position and not begun to open the new one."""
        return self.plan.closes > 0 and self.closed_first and not self.open and self.net < self.want

    @property
    def is_ending(self) -> bool:
        """Return True if the desk has asked for the end of every order that was not filled, and knows where each is.

        Not so where something is sent again or traded back: then a leg has failed before.
        """
        return bool(self.orders) and all(
            o.purpose is Purpose.SIGNAL and (o.status is S.FILLED or (o.cancel_requested and o.status not in DOUBTFUL))
            for o in self.orders
        )

    @property
    def average(self) -> Decimal | None:
        """The mean price of what it has traded its own way, at eight decimals."""
        return average_price((o.filled, o.price) for o in self.forward if o.filled > 0 and o.price is not None)

    def part(self, lacking: Decimal) -> Decimal:
        """Return how much of what is lacking one order may ask for now: it never crosses from long to short.

        What lacks less than a step is left, but of a closing, for fractions are held and not opened.
        """
        closing = self.plan.closes - self.ordered
        if 0 < closing <= lacking:
            return closing
        if lacking < self.plan.step:
            return Decimal(0)
        if closing > 0:
            return lacking
        return self._opened(lacking) if self.closed_first else Decimal(0)

    def part_back(self, excess: Decimal) -> Decimal:
        """Return how much of what is too much one order may trade back: nor does that cross."""
        if excess < self.plan.step:
            return Decimal(0)
        opened = self.net - self.plan.closes
        return min(self._opened(excess), opened) if opened > 0 else excess

    def _opened(self, quantity: Decimal) -> Decimal:
        """Return how much of what is open beyond a closing can be traded: whole steps, for fractions are not opened."""
        return round_down(quantity, self.plan.step) if self.plan.closes > 0 else quantity

    def tries(self, purpose: Purpose) -> int:
        """Return how many orders of a purpose have come to nothing, or to less than was asked for."""
        return sum(o.purpose is purpose and o.status is not S.FILLED for o in self.orders)


def _makes_good(order: LegOrder, short: LegOrder) -> bool:
    """Return True if an order has brought all that one which ended short had left."""
    return order.purpose is Purpose.COMPLETE and order.status is S.FILLED and order.id > short.id
