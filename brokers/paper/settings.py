"""What a paper venue is opened with."""

from dataclasses import dataclass, field
from decimal import Decimal

from brokers.paper.pricing import LARGEST, is_exact

MAX_LEVERAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperSettings:
    """Settings of one paper venue; raises ValueError naming the one that is out of its range."""

    url: str = field(repr=False)  # SQLAlchemy URL of the venue's own store; it may hold a password
    slippage_bps: Decimal  # of market orders, basis points
    commission: Decimal  # of every fill, dollars a share
    reference_price: Decimal  # around which legs without quotes are priced, dollars
    cash: Decimal  # what a new account starts with, dollars
    leverage: Decimal = Decimal(2)  # an account may hold this many times its equity

    def __post_init__(self) -> None:
        # A slippage of 10,000 basis points would sell for nothing.
        if not (self.slippage_bps.is_finite() and 0 <= self.slippage_bps < 10_000):
            raise ValueError("slippage_bps must be at least 0 and below 10000")
        if not (is_exact(self.commission) and 0 <= self.commission <= 1000):
            raise ValueError("commission must be between 0 and 1000, with at most 8 decimals")
        if not (self.reference_price.is_finite() and 0 < self.reference_price <= 1_000_000):
            raise ValueError("reference_price must be above 0 and at most 1000000")
        if not (is_exact(self.cash) and 0 <= self.cash <= LARGEST):
            raise ValueError(f"cash must be between 0 and {LARGEST:f}, with at most 8 decimals")
        if not (self.leverage.is_finite() and 0 < self.leverage <= MAX_LEVERAGE):
            raise ValueError(f"leverage must be above 0 and at most {MAX_LEVERAGE}")
