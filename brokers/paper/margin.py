"""What an account is worth and how much more it may hold. Pure; dollars, exact at 8 decimals.

Orders that work take buying power before they fill: by as much as they would enlarge a holding. Those of one side
and symbol count together, for they may all fill; those of the other side do not make up for them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext

from brokers.errors import OrderRejected
from brokers.paper.pricing import EXACT, PLACES, Quote, round8
from domain.enums import Side

CENT = Decimal("0.01")
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Stake:
    """A holding, signed, and what one share of it counts for."""

    quantity: Decimal
    mark: Decimal


@dataclass(frozen=True, slots=True)
class Resting:
    """The working orders of one side in one symbol: shares still to fill, and what all of them would cost."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO

    def plus(self, quantity: Decimal, price: Decimal) -> "Resting":
        """Return it with one more order."""
        with localcontext(EXACT):
            return Resting(self.quantity + quantity, self.cost + quantity * price)

    def reserve(self, held: Decimal, side: Side) -> Decimal:
        """Return the buying power they take: the cost of the shares, at the average price, that enlarge a holding."""
        more = increase(held, side, self.quantity)
        if more == self.quantity:
            return self.cost
        with localcontext(EXACT):
            # Rounded down to 8 decimals, as a whole number is: the database comes to the very same.
            return ((self.cost * more).scaleb(PLACES) // self.quantity).scaleb(-PLACES)


@dataclass(frozen=True, slots=True)
class Worth:
    """An account's cash, its equity, the sum of its holdings whichever way they go, and what working orders take."""

    cash: Decimal
    equity: Decimal
    gross: Decimal
    reserved: Decimal = ZERO

    def buying_power(self, leverage: Decimal) -> Decimal:
        """Return by how much the holdings may grow: `leverage` times the equity is the most they may come to."""
        with localcontext(EXACT):
            return max(ZERO, round8(leverage * self.equity - self.gross - self.reserved))


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over symbols: what is held, its size, what working orders take. Not rounded, so that parts add up."""

    value: Decimal = ZERO
    gross: Decimal = ZERO
    reserved: Decimal = ZERO

    def plus(self, other: "Totals") -> "Totals":
        """Return the sums over the symbols of both."""
        with localcontext(EXACT):
            return Totals(self.value + other.value, self.gross + other.gross, self.reserved + other.reserved)

    def minus(self, other: "Totals") -> "Totals":
        """Return the sums without the symbols of `other`."""
        with localcontext(EXACT):
            return Totals(self.value - other.value, self.gross - other.gross, self.reserved - other.reserved)

    def worth(self, cash: Decimal) -> Worth:
        """Return what an account with these sums is worth."""
        return Worth(cash, round8(EXACT.add(cash, self.value)), round8(self.gross), self.reserved)


def totals_of(stakes: Iterable[Stake], reserves: Iterable[Decimal] = ()) -> Totals:
    """Return the sums over these holdings and over what working orders take."""
    return totals_of_values(((stake.quantity, stake.mark) for stake in stakes), reserves)


def totals_of_values(held: Iterable[tuple[Decimal, Decimal]], reserves: Iterable[Decimal] = ()) -> Totals:
    """Return the same of holdings that are given as their quantities and marks."""
    with localcontext(EXACT):
        values = [quantity * mark for quantity, mark in held]
        return Totals(sum(values, ZERO), sum(map(abs, values), ZERO), sum(reserves, ZERO))


def worth_of(cash: Decimal, stakes: Iterable[Stake]) -> Worth:
    """Return what an account with these holdings and no working orders is worth."""
    return totals_of(stakes).worth(cash)


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
