"""What a stop covers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.enums import Scope, StopLevel

LEVELS = list(StopLevel)  # each includes those before it


@dataclass(frozen=True, slots=True)
class StopInForce:
    """A stop that nobody has released yet; `name` is that of the account, stock or pair, empty for the whole desk."""

    id: int
    level: StopLevel
    scope: Scope
    name: str
    reason: str = ""
    at: datetime | None = None

    def covers(self, account: str, book: str, symbols: Collection[str]) -> bool:
        """Return True if it speaks of the book of a stock or pair; a stock's stop covers the pairs it is a leg of."""
        match self.scope:
            case Scope.DESK:
                return True
            case Scope.ACCOUNT:
                return self.name == account
            case Scope.PAIR:
                return self.name == book
            case Scope.STOCK:
                return self.name in symbols

    def reaches(self, level: StopLevel) -> bool:
        """Return True if it goes as far as `level`."""
        return LEVELS.index(self.level) >= LEVELS.index(level)

    @property
    def where(self) -> str:
        """Return in words what it covers."""
        return "the whole desk" if self.scope is Scope.DESK else f"{self.scope} {self.name}"

    @property
    def text(self) -> str:
        """Return it in words."""
        return f"stop {self.id} for {self.where} is in force"


def first_stop(stops: Sequence[StopInForce], account: str, book: str, symbols: Collection[str]) -> StopInForce | None:
    """Return a stop that keeps a book from new positions; None when nothing does."""
    return next((stop for stop in stops if stop.covers(account, book, symbols)), None)
