"""Arithmetic on money and quantities that does not round on the way, however large the numbers are."""

from decimal import ROUND_HALF_EVEN, Context, Decimal

# Two stored numbers have up to 24 digits each; a product of two, summed up a million times, stays exact.
EXACT = Context(prec=120, rounding=ROUND_HALF_EVEN)
EIGHT = Decimal("1e-8")


def round8(number: Decimal) -> Decimal:
    """Return the number at eight decimals, half to even, without trailing zeros."""
    rounded = EXACT.add(EXACT.quantize(number, EIGHT), Decimal(0))  # never "-0"
    whole = EXACT.to_integral_value(rounded)
    if rounded == whole:
        return EXACT.quantize(whole, Decimal(1))
    text = f"{rounded:f}"
    return Decimal(text.rstrip("0"))


def plain_text(number: Decimal) -> str:
    """Return the number, all of it, as people write it, without exponent and trailing zeros."""
    text = f"{number:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def divide(dividend: Decimal, divisor: Decimal) -> Decimal | None:
    """Return the quotient at eight decimals; None where the divisor is 0."""
    return round8(EXACT.divide(dividend, divisor)) if divisor else None
