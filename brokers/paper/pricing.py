"""At which price the paper venue fills. Pure: no clock, no store; all numbers exact at 8 decimals.

A quote of the order's symbol comes first. Without one the alert's price counts: that of a single as it is,
the spread of a pair laid out over two made-up legs. A leg is priced in its own call, where the other leg is
not known, so a quote of one leg never moves the other; the made-up legs are a pure function of spread, hedge
ratio and reference price, so that both calls arrive at the same pair.
"""

from dataclasses import dataclass
from decimal import (
    ROUND_CEILING,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
    localcontext,
)

from brokers.errors import OrderRejected
from domain.enums import Side
from domain.messages import AlertPrice

PLACES = 8
STEP = Decimal("0.00000001")
LARGEST = Decimal(10) ** 12  # of a price and of a quantity
# The product of two of the largest numbers has 40 digits; Python's default of 28 would round it.
EXACT = Context(prec=80, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])
MAX_DIGITS = 60  # before the point: more than any sum has, less than EXACT can hold
NO_USABLE_PRICE = "no usable price"


@dataclass(frozen=True, slots=True)
class Quote:
    """The best prices of one symbol, dollars."""

    bid: Decimal
    ask: Decimal

    def touch(self, side: Side) -> Decimal:
        """Return what an order on `side` trades at."""
        return self.ask if side is Side.BUY else self.bid


@dataclass(frozen=True, slots=True)
class Price:
    """A price in dollars; synthetic = made up, nobody has seen it."""

    amount: Decimal
    synthetic: bool = False


def round8(value: Decimal) -> Decimal:
    """Return `value` with exactly 8 decimals, half to even."""
    return value.quantize(STEP, context=EXACT)


def is_exact(value: Decimal) -> bool:
    """Return True if `value` is a number that 8 decimals hold without rounding."""
    return value.is_finite() and value.adjusted() < MAX_DIGITS and round8(value) == value


def alert_leg_price(alert: AlertPrice | None, reference: Decimal) -> Price | None:
    """Return one leg's price as the alert has it, None without one; OrderRejected if it cannot trade."""
    if alert is None:
        return None
    if not alert.price.is_finite() or alert.price.copy_abs() >= LARGEST:
        raise OrderRejected(NO_USABLE_PRICE)
    if alert.hedge_ratio is None:
        price = Price(round8(alert.price))
    else:
        legs = legs_of_spread(alert.price, alert.hedge_ratio, reference)
        # Both legs are refused together: one leg alone would be a position that nobody asked for.
        if max(legs) >= LARGEST or alert.leg not in (1, 2):
            raise OrderRejected(NO_USABLE_PRICE)
        price = Price(legs[alert.leg - 1], synthetic=True)
    if price.amount <= 0:
        raise OrderRejected(NO_USABLE_PRICE)
    return price


def legs_of_spread(spread: Decimal, hedge: Decimal, reference: Decimal) -> tuple[Decimal, Decimal]:
    """Return positive price1, price2 with price1 - hedge * price2 == spread, exact at 8 decimals.

    Raises OrderRejected for a hedge ratio that is not a number above 0.
    """
    if not hedge.is_finite() or not 0 < hedge < LARGEST or round8(hedge) == 0:
        raise OrderRejected(NO_USABLE_PRICE)
    spread, hedge = round8(spread), round8(hedge)
    with localcontext(EXACT):
        # The product keeps to 8 decimals if both factors together do: price2 has what the hedge leaves over.
        left_over = PLACES - _decimals(hedge)
        price2 = reference.quantize(Decimal(1).scaleb(-left_over), rounding=ROUND_CEILING)
        if spread < 0:  # whole dollars more on leg 2 lift leg 1 back above zero
            price2 += (-spread / hedge).to_integral_value(rounding=ROUND_CEILING)
        price1 = spread + hedge * price2
    return round8(price1), round8(price2)


def market_price(side: Side, quote: Quote | None, alert: Price | None, slippage_bps: Decimal) -> Price | None:
    """Return what a market order trades at, slippage (basis points) against it; None = no price is known."""
    base = Price(quote.touch(side)) if quote is not None else alert
    if base is None:
        return None
    slipped = round8(EXACT.multiply(base.amount, slippage_factor(side, slippage_bps)))
    return Price(max(slipped, STEP), base.synthetic)


def slippage_factor(side: Side, slippage_bps: Decimal) -> Decimal:
    """Return what the price of a market order is multiplied by."""
    with localcontext(EXACT):
        return 1 + side.sign * slippage_bps / 10_000


def limit_price(side: Side, limit: Decimal, quote: Quote | None, alert: Price | None) -> Price | None:
    """Return what a limit order trades at now, None = it has to wait."""
    if quote is not None:
        touch = quote.touch(side)
        return Price(touch) if _within(side, touch, limit) else None
    if alert is not None and _within(side, alert.amount, limit):
        return Price(limit, synthetic=True)  # nobody has seen a counterpart at that price
    return None


def resting_price(
    side: Side, limit: Decimal | None, quote: Quote | None, alert: Decimal | None, slippage_bps: Decimal
) -> Decimal:
    """Return what a share of a working order counts for: its limit, else what a market order would trade at."""
    if limit is not None:
        return limit
    base = quote.touch(side) if quote is not None else alert
    return Decimal(0) if base is None else EXACT.multiply(base, slippage_factor(side, slippage_bps))


def _within(side: Side, price: Decimal, limit: Decimal) -> bool:
    return price <= limit if side is Side.BUY else price >= limit


def _decimals(value: Decimal) -> int:
    return len(f"{round8(value):f}".partition(".")[2].rstrip("0"))
