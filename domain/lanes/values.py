"""The values that lanes are decided by: legs with what is held and works, what a signal asks for, and the decisions."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from domain.enums import Purpose, Side
from domain.order_status import OrderStatus

ZERO = Decimal(0)
S = OrderStatus
NOT_KNOWN = frozenset({S.UNKNOWN, S.MANUAL})
UNSENT = frozenset({S.QUEUED, S.CLAIMED})


class Kind(StrEnum):
    """What a signal does to the position of its lane."""

    ENTRY = "entry"  # away from zero
    EXIT = "exit"  # toward zero, not past it
    REVERSAL = "reversal"  # through zero


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """One open order of the account; `rest` is what it may still fill, in shares.

    `age` is how long ago it was sent, in seconds; None = it was not sent yet.
    """

    order_id: int
    signal_id: int | None
    lane: str
    symbol: str
    side: Side
    rest: Decimal
    status: OrderStatus
    is_exit: bool = False
    purpose: Purpose = Purpose.SIGNAL
    is_market: bool = True
    follows: bool = False  # it hedges what another leg has filled
    cancel_requested: bool = False
    age: Decimal | None = None

    @property
    def coming(self) -> Decimal:
        """Return what it may still bring, signed."""
        return self.side.sign * self.rest

    @property
    def only_closes(self) -> bool:
        """Return True if it brings a position back toward zero: an exit, or a leg that is traded back."""
        return self.is_exit or self.purpose is Purpose.UNWIND

    @property
    def may_be_at_venue(self) -> bool:
        """Return True if the venue may have it."""
        return self.status not in UNSENT


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneLeg:
    """One leg of a lane: signed shares held by booked fills, all open orders of the account in its symbol.

    `promised` is what signals under way will still order for this lane's leg, signed: followers of a first leg.
    """

    symbol: str
    held: Decimal = ZERO
    working: tuple[Working, ...] = ()
    promised: Decimal = ZERO

    def own(self, lane: str) -> list[Working]:
        """Return the open orders of the lane itself."""
        return [order for order in self.working if order.lane == lane]

    def after(self, lane: str) -> Decimal:
        """Return the position when everything that came before has ended as it now stands."""
        return self.held + sum((order.coming for order in self.own(lane)), ZERO) + self.promised


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """An earlier signal of the lane that still waits; `until` says for what, in words."""

    signal_id: int
    is_exit: bool
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One stock or pair at one account at one moment. `hedge_ratio` None = a single; `steps` in shares, one a leg."""

    name: str
    legs: tuple[LaneLeg, ...]
    ahead: tuple[Ahead, ...] = ()
    hedge_ratio: Decimal | None = None

    @property
    def is_pair(self) -> bool:
        """Return True for two legs."""
        return len(self.legs) == 2

    @property
    def own(self) -> list[Working]:
        """Return all open orders of the lane, oldest first."""
        found = {order.order_id: order for leg in self.legs for order in leg.own(self.name)}
        return [found[number] for number in sorted(found)]

    @property
    def before(self) -> Decimal:
        """Return the position, in shares of leg 1, when everything before has ended as it now stands."""
        return self.legs[0].after(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a signal asks for: a change in shares of leg 1, and where the alert names it the position after it, signed.

    `to_target`: the position counts, not the change. `cuts`: nothing beyond the position after it is traded, as always
    but where the user has chosen otherwise. `closes_all`: a flatten, whatever is held.
    """

    signal_id: int
    side: Side
    quantity: Decimal
    bound: Decimal | None = None
    previous: Decimal | None = None
    to_target: bool = False
    cuts: bool = True
    closes_all: bool = False

    @property
    def change(self) -> Decimal:
        """Return the signed change."""
        return self.side.sign * self.quantity


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence for the trace; `is_warning` where the desk and the strategy do not agree."""

    text: str
    is_warning: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LegChange:
    """What one leg is to trade: `closes` shares of what is held and `opens` new ones, on one side."""

    number: int
    symbol: str
    side: Side
    closes: Decimal = ZERO
    opens: Decimal = ZERO

    @property
    def quantity(self) -> Decimal:
        """Return all of it."""
        return self.closes + self.opens


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """Orders may be made now. `end` is the position wanted, in shares of leg 1; `passes` are signals that it ends."""

    kind: Kind
    end: Decimal
    legs: tuple[LegChange, ...]
    notes: Sequence[Note] = ()
    passes: tuple[int, ...] = ()

    @property
    def closing(self) -> "Trade | None":
        """Return the part that only closes; None where there is none."""
        legs = tuple(
            LegChange(number=leg.number, symbol=leg.symbol, side=leg.side, closes=leg.closes)
            for leg in self.legs
            if leg.closes
        )
        return Trade(kind=Kind.EXIT, end=ZERO, legs=legs, notes=self.notes, passes=self.passes) if legs else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Not now: `cancel` are orders whose end is to be asked for; `seconds` until it is worth a look in any case."""

    reason: str
    kind: Kind
    end: Decimal
    cancel: tuple[int, ...] = ()
    seconds: Decimal = Decimal(5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """There is nothing to trade; the signal ends."""

    reason: str
    text: str
    notes: Sequence[Note] = field(default_factory=tuple)
    passes: tuple[int, ...] = ()


Decision = Trade | Wait | Nothing
