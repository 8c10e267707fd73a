"""What an account is worth and how much more it may hold. Pure; dollars, exact at 8 decimals."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext

from brokers.errors import OrderRejected
from brokers.paper.pricing import EXACT, Quote, round8
from domain.enums import Side

CENT = Decimal("0.01")
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Stake:
    """A holding, signed, and what one share of it counts for."""

    quantity: Decimal
    mark: Decimal


@dataclass(frozen=True, slots=True)
class Worth:
    """An account's cash, its equity, and the sum of its holdings whichever way they go."""

    cash: Decimal
    equity: Decimal
    gross: Decimal

    def buying_power(self, leverage: Decimal) -> Decimal:
        """Return by how much the holdings may grow: `leverage` times the equity is the most they may come to."""
        with localcontext(EXACT):
            return max(ZERO, round8(leverage * self.equity - self.gross))


def worth_of(cash: Decimal, stakes: Iterable[Stake]) -> Worth:
    """Return what an account with these holdings is worth."""
    with localcontext(EXACT):
        values = [stake.quantity * stake.mark for stake in stakes]
        return Worth(cash, round8(cash + sum(values, ZERO)), round8(sum(map(abs, values), ZERO)))


def mark_of(quote: Quote | None, last_price: Decimal | None, average_price: Decimal) -> Decimal:
    """Return what one share counts for: the middle of the quote, else the last fill, else the entry."""
    if quote is not None:
        return EXACT.divide(EXACT.add(quote.bid, quote.ask), Decimal(2))
    return average_price if last_price is None else last_price


def increase(held: Decimal, side: Side, quantity: Decimal) -> Decimal:
    """Return by how much an order makes a signed holding larger, either way; 0 = it only reduces it."""
    with localcontext(EXACT):
        return max(ZERO, abs(held + side.sign * quantity) - abs(held))


def check_buying_power(needed: Decimal, available: Decimal) -> None:
    """Raise OrderRejected unless `available` dollars cover what is needed."""
    if needed > available:
        # Rounded apart, so that the text never says that the same amount was needed and there.
        needs = needed.quantize(CENT, ROUND_CEILING, EXACT)
        has = available.quantize(CENT, ROUND_FLOOR, EXACT)
        raise OrderRejected(f"insufficient buying power: needs {needs:f}, has {has:f}")
