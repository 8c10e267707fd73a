"""One order at the moment of sending: it goes, is made smaller, waits, or ends.

Between its making and its sending fills may have come, and other orders. So it is judged anew by what is there now.
"""

from dataclasses import dataclass
from decimal import Decimal

from domain.enums import Purpose, Side
from domain.exact import plain_text
from domain.lanes.values import ZERO, LaneLeg, Working


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An order that is about to be sent; of its quantity `closes` shares are meant to close what is held."""

    order_id: int
    lane: str
    symbol: str
    side: Side
    quantity: Decimal
    closes: Decimal = ZERO
    purpose: Purpose = Purpose.SIGNAL

    @property
    def opens(self) -> Decimal:
        """Return what opens a position."""
        return self.quantity - self.closes


@dataclass(frozen=True, slots=True)
class Send:
    """It may go, with this quantity; `text` says why it is less than it was made for."""

    quantity: Decimal
    closes: Decimal
    text: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """It must wait for an order of ours on the other side; `cancel` are orders to be canceled for it."""

    reason: str
    cancel: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class End:
    """There is nothing left for it to do."""

    reason: str


def admit(order: Candidate, leg: LaneLeg) -> Send | Hold | End:
    """Return what may be done with an order now; `leg` is its symbol at the account, with the order itself left out."""
    for other in leg.working:
        if other.side is order.side or not other.may_be_at_venue:
            continue
        cancel = order.opens == 0 and not other.only_closes and not other.cancel_requested
        reason = f"waits for the end of our own order {other.order_id} on the other side ({other.side} "
        return Hold(f"{reason}{plain_text(other.rest)} {other.symbol})", (other.order_id,) if cancel else ())
    free = closable(order, leg)
    if order.closes <= free:
        return Send(order.quantity, order.closes)
    held = f"{plain_text(abs(leg.held))} {order.symbol} held"
    if free + order.opens <= 0:
        return End(f"nothing to close: {held}, and what works already closes it" if leg.held else "nothing to close")
    text = f"of {order.side} {plain_text(order.quantity)} only {plain_text(free + order.opens)} are sent: {held}"
    return Send(free + order.opens, free, text)


def there(held: Decimal, difference: Decimal) -> Decimal:
    """Return what is there of a lane's holding, when the account holds so much more (or less) than all books, signed.

    What was sold, or bought back, by hand cannot be closed again. What there is beyond the books is nobody's to close.
    """
    if held * difference >= 0:
        return held
    left = max(ZERO, abs(held) - abs(difference))
    return left if held > 0 else -left


def closable(order: Candidate, leg: LaneLeg) -> Decimal:
    """Return how many shares an order may close: what its lane holds less what earlier exits are about to close."""
    if leg.held * order.side.sign >= 0:
        return ZERO
    return max(ZERO, abs(leg.held) - sum((other.rest for other in _earlier_exits(order, leg)), ZERO))


def _earlier_exits(order: Candidate, leg: LaneLeg) -> list[Working]:
    return [
        other
        for other in leg.own(order.lane)
        if other.only_closes and other.side is order.side and (other.may_be_at_venue or other.order_id < order.order_id)
    ]
