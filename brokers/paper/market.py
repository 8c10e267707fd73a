"""What may be traded at the paper venue, and when. Pure: the moment is passed in."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext

from brokers.errors import OrderRejected
from brokers.paper.pricing import EXACT, LARGEST, STEP, is_exact
from domain.messages import AssetReport, SessionReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """What may be done with one symbol; `quantity_step` in shares. Raises ValueError for an impossible step."""

    tradable: bool = True
    shortable: bool = True
    quantity_step: Decimal = STEP

    def __post_init__(self) -> None:
        if not (is_exact(self.quantity_step) and 0 < self.quantity_step < LARGEST):
            raise ValueError("quantity_step must be above 0, with at most 8 decimals")

    def check(self, symbol: str, quantity: Decimal) -> None:
        """Raise OrderRejected if no order, or none of this quantity, is taken."""
        if not self.tradable:
            raise OrderRejected(f"{symbol} is not tradable")
        with localcontext(EXACT):
            if quantity % self.quantity_step != 0:
                raise OrderRejected(f"quantity must be a multiple of {self.quantity_step.normalize():f}")

    def report(self, symbol: str, at: datetime) -> AssetReport:
        """Return what the venue tells about it."""
        return AssetReport(
            symbol=symbol,
            tradable=self.tradable,
            shortable=self.shortable,
            quantity_step=self.quantity_step,
            at=at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Whether the market is open, and the moments (aware UTC) at which that changes by itself."""

    is_open: bool = True
    opens_at: datetime | None = None
    closes_at: datetime | None = None

    def check(self, now: datetime) -> None:
        """Raise ValueError unless both moments are different ones that lie ahead of `now`."""
        for name, moment in (("opens_at", self.opens_at), ("closes_at", self.closes_at)):
            if moment is not None and moment.tzinfo is None:
                raise ValueError(f"{name}: a time without a zone")
            if moment is not None and moment <= now:
                raise ValueError(f"{name} must lie ahead")
        if self.opens_at is not None and self.opens_at == self.closes_at:
            raise ValueError("opens_at and closes_at must differ")

    def is_open_at(self, moment: datetime) -> bool:
        """Return True if orders trade at `moment`: the latest change up to then counts."""
        changes = [
            (at, opens)
            for at, opens in ((self.opens_at, True), (self.closes_at, False))
            if at is not None and at <= moment
        ]
        return max(changes)[1] if changes else self.is_open

    @property
    def is_always_open(self) -> bool:
        """Return True if it never closes, so that it has no opening and no close either."""
        return self.is_open and self.opens_at is None and self.closes_at is None

    def closes_after(self, moment: datetime) -> datetime | None:
        """Return when it closes next; None = nobody knows."""
        return _ahead(self.closes_at, moment)

    def opens_after(self, moment: datetime) -> datetime | None:
        """Return when it opens next; None = nobody knows."""
        return _ahead(self.opens_at, moment)

    def report(self, now: datetime) -> SessionReport:
        """Return what the venue tells about it."""
        return SessionReport(
            is_open=self.is_open_at(now),
            at=now,
            opens_at=self.opens_after(now),
            closes_at=_ahead(self.closes_at, now),
        )


def _ahead(moment: datetime | None, now: datetime) -> datetime | None:
    return moment if moment is not None and moment > now else None
