"""Exits: how much of an alert closes a position by its own words, and how much of that is there to be closed."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from domain.enums import MarketPosition, Side
from domain.exact import plain_text

ZERO = Decimal(0)
DIRECTION = {MarketPosition.LONG: 1, MarketPosition.SHORT: -1, MarketPosition.FLAT: 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """Where an alert wants to go, and where from, by its own words; None = it does not say."""

    position: MarketPosition | None
    size: Decimal | None = None
    previous: MarketPosition | None = None


@dataclass(frozen=True, slots=True)
class HeldElsewhere:
    """What another account holds, or works (`quantity` 0), of the same stock or pair; signed shares."""

    account: str
    symbol: str
    quantity: Decimal

    def __str__(self) -> str:
        if not self.quantity:
            return f"working orders of {self.symbol} at {self.account}"
        return f"{plain_text(self.quantity)} {self.symbol} at {self.account}"


def closing_share(side: Side, quantity: Decimal, aim: Aim) -> Decimal:
    """Return how many shares of an alert's quantity are to close what is held: all, some where it turns round, or 0.

    Selling down to flat or to a smaller long position only closes; selling beyond zero closes what is not the target.
    """
    if aim.position is None:
        return ZERO
    towards = 0 if aim.size == 0 else DIRECTION[aim.position] * side.sign
    if towards <= 0:
        return quantity
    came_from = 0 if aim.previous is None else DIRECTION[aim.previous] * side.sign
    turns_round = aim.size is not None and (aim.previous is None or came_from < 0)
    return max(ZERO, quantity - aim.size) if turns_round and aim.size is not None else ZERO


def closable(side: Side, own: Decimal, spare: Decimal = ZERO) -> Decimal:
    """Return how many shares an order of a side can close: of its own book, or of what the account holds beyond books.

    Both are signed; the larger of the two counts, for the account's holding has the book's own in it.
    """
    return max(ZERO, -side.sign * own, -side.sign * spare)


def spare_holding(side: Side, in_all: Decimal, others: Iterable[Decimal]) -> Decimal:
    """Return what of an account's whole holding no other book needs, as an order of a side may close it; signed."""
    kept = sum((max(ZERO, -side.sign * each) for each in others), ZERO)
    return -side.sign * max(ZERO, -side.sign * in_all - kept)
