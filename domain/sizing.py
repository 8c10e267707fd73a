"""How many shares each leg trades."""

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal

from domain.enums import Side


def round_to_step(quantity: Decimal, step: Decimal) -> Decimal:
    """Return the quantity rounded to the nearest whole number of steps, half to even."""
    return _in_steps(quantity, step, ROUND_HALF_EVEN)


def round_down(quantity: Decimal, step: Decimal) -> Decimal:
    """Return the whole number of steps that a quantity above 0 has in it."""
    return _in_steps(quantity, step, ROUND_DOWN)


def _in_steps(quantity: Decimal, step: Decimal, rounding: str) -> Decimal:
    rounded = (quantity / step).quantize(Decimal(1), rounding) * step
    whole = rounded == rounded.to_integral_value()  # no trailing zeros: people read this
    return rounded.quantize(Decimal(1)) + 0 if whole else rounded.normalize()


def is_tradable(quantity: Decimal, step: Decimal) -> bool:
    """Return True if the quantity is a positive whole number of steps."""
    return quantity > 0 and quantity % step == 0


def is_short(held: Decimal, side: Side, quantity: Decimal) -> bool:
    """Return True if what is held is short before or after an order; one that rounds to 0 counts as if it were more."""
    if quantity == 0 and side is Side.SELL:
        return held <= 0
    return min(held, held + side.sign * quantity) < 0


def leg2_quantity(quantity1: Decimal, hedge_ratio: Decimal, step: Decimal) -> Decimal:
    """Return the shares of leg 2 that hedge `quantity1` shares of leg 1, in steps leg 2 can trade."""
    return round_to_step(quantity1 * hedge_ratio, step)
