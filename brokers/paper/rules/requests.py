"""What the paper venue asks of a request before it makes an order of it. Pure."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from brokers.errors import OrderRejected
from brokers.paper.pricing import LARGEST, is_exact
from brokers.paper.rules.capabilities import EXTENDED_KINDS, ORDER_KINDS
from domain.enums import TimeInForce
from domain.messages import OrderRequest, Trail

AUCTIONS = (TimeInForce.OPG, TimeInForce.CLS)
# Of these nothing is left working once they could have traded; why it ended.
AT_ONCE = {
    TimeInForce.IOC: "immediate or cancel",
    TimeInForce.FOK: "fill or kill",
    TimeInForce.OPG: "the opening is over",
    TimeInForce.CLS: "the close is over",
}
MAX_TEXT = 128
AMOUNT = f"above 0 and below {LARGEST:f}, with at most 8 decimals"


def check_request(request: OrderRequest) -> None:
    """Raise OrderRejected naming the rule that a request breaks."""
    if request.order_type not in ORDER_KINDS:
        raise OrderRejected(f"order type {request.order_type} is not supported")
    if request.time_in_force not in ORDER_KINDS[request.order_type]:
        raise OrderRejected(f"time in force {request.time_in_force} is not supported for {request.order_type} orders")
    if request.extended_hours and request.time_in_force not in EXTENDED_KINDS.get(request.order_type, ()):
        raise OrderRejected("extended hours are supported for LIMIT orders for the day or until canceled")
    amounts = [("quantity", request.quantity, True)]
    amounts += [
        ("limit price", request.limit_price or Decimal(0), request.order_type.has_limit),
        ("stop price", request.stop_price or Decimal(0), request.order_type.has_stop),
        ("hedge ratio", request.hedge_ratio or Decimal(0), request.attached_to is not None),
    ]
    for name, amount, is_needed in amounts:
        if is_needed and not is_amount(amount):
            raise OrderRejected(f"{name} must be {AMOUNT}")
    if request.order_type.has_trail:
        check_trail(request.trail)


def check_trail(trail: Trail | None) -> None:
    """Raise OrderRejected for a trailing stop without one distance that can be kept, to eight decimals."""
    amount = None if trail is None or not trail.is_usable else trail.percent or trail.price
    if amount is None or not is_amount(amount):
        raise OrderRejected(f"a trailing stop needs a percentage below 100 or a distance in money, {AMOUNT}")


def end_of_day(at: datetime) -> datetime:
    """Return the next midnight UTC, when DAY orders end: this venue is open all day."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def is_text(text: str) -> bool:
    """Return True if `text` can be an id or a symbol: 1 to 128 printable characters."""
    return 0 < len(text) <= MAX_TEXT and text.isprintable()


def is_amount(value: Decimal) -> bool:
    """Return True if `value` can be a quantity or a price: above 0, not too large, with at most 8 decimals."""
    return is_exact(value) and 0 < value < LARGEST
