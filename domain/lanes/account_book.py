"""What one account holds, works and has promised of the symbols in question, at one moment.

A batch of signals is decided one by one on the same book: each sees what the ones before it took.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from domain.checks.facts import BookLine
from domain.enums import Side
from domain.lanes.position_reversal import AccountHolding
from domain.lanes.values import ZERO, Ahead, Lane, LaneLeg, Working


@dataclass(frozen=True, slots=True)
class Held:
    """What one lane holds of a symbol: signed shares, and the average price paid."""

    quantity: Decimal
    average_price: Decimal


NOTHING = Held(ZERO, ZERO)


@dataclass(slots=True)
class AccountBook:
    """All by symbol; what is held and promised then by lane, in signed shares.

    `differences` is what the broker holds beyond our book, `foreign` what orders that are not ours may still fill.
    """

    held: dict[str, dict[str, Held]] = field(default_factory=lambda: defaultdict(dict))
    working: dict[str, list[Working]] = field(default_factory=lambda: defaultdict(list))
    promised: dict[str, dict[str, Decimal]] = field(default_factory=lambda: defaultdict(dict))
    differences: dict[str, Decimal] = field(default_factory=dict)
    foreign: dict[str, list[tuple[Side, Decimal]]] = field(default_factory=lambda: defaultdict(list))

    def lane(
        self,
        name: str,
        symbols: Sequence[str],
        *,
        hedge_ratio: Decimal | None = None,
        ahead: tuple[Ahead, ...] = (),
    ) -> Lane:
        """Return the lane of a stock or pair."""
        legs = tuple(self.leg(name, symbol) for symbol in symbols)
        return Lane(name=name, legs=legs, ahead=ahead, hedge_ratio=hedge_ratio)

    def leg(self, name: str, symbol: str, *, but: int = 0) -> LaneLeg:
        """Return one leg of a lane; the order `but` is left out."""
        return LaneLeg(
            symbol=symbol,
            held=self.position(name, symbol).quantity,
            working=tuple(order for order in self.working.get(symbol, ()) if order.order_id != but),
            promised=self.promised.get(symbol, {}).get(name, ZERO),
        )

    def position(self, name: str, symbol: str) -> Held:
        """Return what a lane holds of a symbol."""
        return self.held.get(symbol, {}).get(name, NOTHING)

    def account_position(self, symbol: str) -> Decimal:
        """Return what all lanes of the account hold of a symbol."""
        return sum((held.quantity for held in self.held.get(symbol, {}).values()), ZERO)

    def holding(self, symbol: str, *, but: int = 0) -> AccountHolding:
        """Return what the account as a whole holds of a symbol, whoever traded it, and what is about to close it."""
        held = self.account_position(symbol) + self.differences.get(symbol, ZERO)
        ours = [
            (order.side, order.rest)
            for order in self.working.get(symbol, ())
            if order.order_id != but and order.may_be_at_venue
        ]
        return AccountHolding.of(held, [*ours, *self.foreign.get(symbol, ())])

    def lines(self, symbols: Iterable[str]) -> tuple[BookLine, ...]:
        """Return what is held, worked or promised of symbols, a line for each lane."""
        return tuple(line for symbol in symbols for line in self._lines_of(symbol))

    def add(self, orders: Iterable[Working]) -> None:
        """Add orders that were just made."""
        for order in orders:
            self.working[order.symbol].append(order)

    def promise(self, name: str, symbol: str, quantity: Decimal) -> None:
        """Add what a signal will still order, signed."""
        of_symbol = self.promised[symbol]
        of_symbol[name] = of_symbol.get(name, ZERO) + quantity

    def _lines_of(self, symbol: str) -> list[BookLine]:
        held, coming = self.held.get(symbol, {}), dict[str, Decimal]()
        for order in self.working.get(symbol, ()):
            coming[order.lane] = coming.get(order.lane, ZERO) + order.coming
        for name, quantity in self.promised.get(symbol, {}).items():
            if quantity:
                coming[name] = coming.get(name, ZERO) + quantity
        return [
            BookLine(
                name,
                symbol,
                held.get(name, NOTHING).quantity,
                coming.get(name, ZERO),
                held.get(name, NOTHING).average_price or None,
                is_worked=name in coming,
            )
            for name in sorted({*held, *coming})
        ]
