"""An order that is to be sent, and what is known of the broker that is to take it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from domain.enums import AssetClass, OrderType, Side, TimeInForce
from domain.messages import AccountReport, AssetReport, QuoteReport, SessionReport, Trail
from domain.sizing import is_short
from domain.venue.capabilities import AccountCapabilities, AssetRules
from domain.venue.costs import NO_COSTS, Costs

ZERO, ONE = Decimal(0), Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class LegOrderPlan:
    """One order that is to be sent; `held` is what the whole account holds of the symbol by our book."""

    symbol: str
    side: Side
    quantity: Decimal
    order_type: OrderType
    limit_price: Decimal | None
    held: Decimal
    price: Decimal | None  # what a share will cost about; None = nobody knows
    stop_price: Decimal | None = None
    trail: Trail | None = None
    of_alert: bool = False  # the alert asks for these terms, whatever is registered
    time_in_force: TimeInForce = TimeInForce.DAY
    extended_hours: bool = False

    @property
    def after(self) -> Decimal:
        """Return what the account will hold."""
        return self.held + self.side.sign * self.quantity

    @property
    def increase(self) -> Decimal:
        """Return by how many shares the holding grows in size."""
        return max(ZERO, abs(self.after) - abs(self.held))

    @property
    def opens(self) -> Decimal:
        """Return how many of the shares lead away from zero; 0 = it only closes."""
        return abs(self.after) if self.reverses else self.increase

    @property
    def is_short_sale(self) -> bool:
        """Return True if it opens or enlarges a short position."""
        return self.side is Side.SELL and self.after < 0

    @property
    def touches_short(self) -> bool:
        """Return True if the holding is short before or after it."""
        return is_short(self.held, self.side, self.quantity)

    @property
    def reverses(self) -> bool:
        """Return True if it turns a long position into a short one, or a short one into a long one."""
        return self.held * self.after < 0

    def parts(self, *, whole: bool) -> list[tuple[Decimal, bool]]:
        """Return the quantities it is sent as, all at once if `whole`; True = it belongs to a short position."""
        if whole or not self.reverses:
            return [(self.quantity, self.touches_short)]
        return [(abs(self.held), self.held < 0), (self.quantity - abs(self.held), self.held > 0)]

    @property
    def waits_for_the_session(self) -> bool:
        """Return True if it may be sent while the market is closed, to wait for its time at the broker."""
        return self.extended_hours or self.time_in_force in (TimeInForce.GTC, TimeInForce.OPG, TimeInForce.CLS)

    @property
    def prices(self) -> list[tuple[str, Decimal | None]]:
        """Return the prices that an order of this type has, by name."""
        named = (
            ("limit price", self.limit_price, self.order_type.has_limit),
            ("stop price", self.stop_price, self.order_type.has_stop),
        )
        return [(name, price) for name, price, is_needed in named if is_needed]


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerFacts:
    """What an account can do, and what its broker has said lately; None = it was not asked, or did not answer."""

    able: AccountCapabilities
    assets: Mapping[str, AssetReport | None]  # None = the broker does not know the symbol
    account: AccountReport | None
    session: SessionReport | None
    classes: Mapping[str, AssetClass] = field(default_factory=dict)  # as the symbols are registered
    reserved: Costs = NO_COSTS  # of orders sent since the account was asked
    quotes: Mapping[str, QuoteReport] = field(default_factory=dict)
    holdings: Mapping[str, Decimal] | None = None  # asked for before coins are sold; signed

    def less(self, costs: Costs) -> BrokerFacts:
        """Return the same with more money set aside."""
        return replace(self, reserved=self.reserved.plus(costs))

    def class_of(self, symbol: str) -> AssetClass:
        """Return the class of a symbol, as the broker says, else as it is registered."""
        asset = self.assets.get(symbol)
        if asset is not None and asset.asset_class is not None:
            return asset.asset_class
        return self.classes.get(symbol, AssetClass.STOCK)

    def rules_of(self, symbol: str) -> AssetRules | None:
        """Return the rules for a symbol; None = the account trades nothing of its kind."""
        return self.able.classes.get(self.class_of(symbol))

    def step_of(self, symbol: str, *, short: bool = False) -> Decimal:
        """Return the smallest part of a share of a symbol that can be traded, or of which a `short` one is made."""
        asset, rules = self.assets.get(symbol), self.rules_of(symbol)
        usual = ONE if rules is None else rules.quantity_step
        if asset is None:
            return usual
        size = asset.short_step if short and asset.short_step is not None else asset.quantity_step
        return max(size, usual)

    def price_step_of(self, symbol: str, price: Decimal) -> Decimal | None:
        """Return what a price of a symbol must be a multiple of; None = nothing is traded there of its kind."""
        asset, rules = self.assets.get(symbol), self.rules_of(symbol)
        if asset is not None and asset.price_step is not None:
            return asset.price_step
        return None if rules is None else rules.price_step(price)

    def is_always_open(self, symbol: str) -> bool:
        """Return True if a symbol trades day and night."""
        asset = self.assets.get(symbol)
        return asset is not None and asset.always_open
