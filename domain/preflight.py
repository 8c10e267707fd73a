"""Whether a broker will take all legs of a signal: asked of its own words, before any leg is sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from domain.enums import OrderType, Side, TimeInForce
from domain.exact import plain_text
from domain.messages import AccountReport, AssetReport, QuoteReport, SessionReport
from domain.sizing import is_short, is_tradable
from domain.trace import step

ZERO = Decimal(0)


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
    time_in_force: TimeInForce = TimeInForce.DAY
    extended_hours: bool = False

    @property
    def increase(self) -> Decimal:
        """Return by how many shares the holding grows in size."""
        return max(ZERO, abs(self.held + self.side.sign * self.quantity) - abs(self.held))

    @property
    def is_short_sale(self) -> bool:
        """Return True if it opens or enlarges a short position."""
        return self.side is Side.SELL and self.held - self.quantity < 0

    @property
    def touches_short(self) -> bool:
        """Return True if the holding is short before or after it."""
        return is_short(self.held, self.side, self.quantity)

    @property
    def reverses(self) -> bool:
        """Return True if it turns a long position into a short one, or a short one into a long one."""
        return self.held * (self.held + self.side.sign * self.quantity) < 0

    def parts(self, *, whole: bool) -> list[tuple[Decimal, bool]]:
        """Return the quantities it is sent as, all at once if `whole`; True = it belongs to a short position."""
        if whole or not self.reverses:
            return [(self.quantity, self.touches_short)]
        return [(abs(self.held), self.held < 0), (self.quantity - abs(self.held), self.held > 0)]

    @property
    def waits_for_the_session(self) -> bool:
        """Return True if it may be sent while the market is closed, to wait for its time at the broker."""
        return self.extended_hours or self.time_in_force in (TimeInForce.GTC, TimeInForce.OPG, TimeInForce.CLS)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerFacts:
    """What the broker has said lately; None = it was not asked, or did not answer."""

    order_types: frozenset[OrderType]
    times_in_force: frozenset[TimeInForce]
    short_selling: bool
    extended_hours: bool
    reverses_in_one_order: bool
    quantity_step: Decimal
    assets: Mapping[str, AssetReport | None]  # None = the broker does not know the symbol
    account: AccountReport | None
    session: SessionReport | None
    reserved: Decimal = ZERO  # for orders sent since the account was asked
    quotes: Mapping[str, QuoteReport] = field(default_factory=dict)
    fraction_times_in_force: frozenset[TimeInForce] = frozenset(TimeInForce)  # of orders for parts of a share
    coin_fee: Decimal = ZERO  # at most this part of a coin that is bought is kept as the fee
    holdings: Mapping[str, Decimal] | None = None  # asked for before coins are sold; signed

    def step_of(self, symbol: str, *, short: bool = False) -> Decimal:
        """Return the smallest part of a share of a symbol that can be traded, or of which a `short` one is made."""
        asset = self.assets.get(symbol)
        if asset is None:
            return self.quantity_step
        size = asset.short_step if short and asset.short_step is not None else asset.quantity_step
        return max(size, self.quantity_step)

    def is_always_open(self, symbol: str) -> bool:
        """Return True if a symbol trades day and night."""
        asset = self.assets.get(symbol)
        return asset is not None and asset.always_open


@dataclass(slots=True)
class Preflight:
    """Every question with its answer; `refusal` is the first (reason, sentence) that speaks against sending."""

    steps: list[dict[str, Any]]
    refusal: tuple[str, str] | None = None
    opens_at: datetime | None = None
    is_closed: bool = False

    def see(self, check: str, ok: bool, text: str, **values: object) -> bool:
        """Put an answer on record; returns whether it was good."""
        self.steps.append(step(check, ok, text, **values))
        if not ok and self.refusal is None:
            self.refusal = (check, text)
        return ok


def preflight(legs: Sequence[LegOrderPlan], broker: BrokerFacts, now: datetime) -> Preflight:
    """Return whether the broker will take all these orders now (aware), each question on record."""
    result = Preflight([])
    for leg in legs:
        _ask_leg(result, leg, broker)
    if result.refusal is None:
        _ask_session(result, legs, broker, now)
    if result.refusal is None:
        _ask_money(result, legs, broker)
    if result.refusal is None:
        names = " and ".join(f"{leg.side} {plain_text(leg.quantity)} {leg.symbol}" for leg in legs)
        result.see("pre-flight", True, f"The broker takes {names}.")
    return result


def _ask_leg(result: Preflight, leg: LegOrderPlan, broker: BrokerFacts) -> None:
    if leg.order_type not in broker.order_types:
        text = f"The broker does not take {leg.order_type} orders, as {leg.symbol} is registered for."
        result.see("order type", False, text, order_type=leg.order_type)
    if leg.time_in_force not in broker.times_in_force or (leg.extended_hours and not broker.extended_hours):
        what = "orders outside of the session" if leg.extended_hours else f"{leg.time_in_force} orders"
        text = f"The broker does not take {what}, as {leg.symbol} is registered for."
        result.see("time in force", False, text, time_in_force=leg.time_in_force, extended_hours=leg.extended_hours)
    if leg.quantity % 1 and not broker.is_always_open(leg.symbol):
        _ask_fraction(result, leg, broker)
    for needed, price, name in (
        (leg.order_type.has_limit, leg.limit_price, "limit"),
        (leg.order_type.has_stop, leg.stop_price, "stop"),
    ):
        if needed and (price is None or price <= 0):
            text = f"{leg.symbol} is registered for {name} orders, but the alert has no price above 0."
            result.see(f"{name} price", False, text, price=price)
    asset = broker.assets.get(leg.symbol)
    if leg.symbol in broker.assets and (asset is None or not asset.tradable):
        result.see("tradable", False, f"The broker does not trade {leg.symbol}.", symbol=leg.symbol)
    for quantity, short in leg.parts(whole=broker.reverses_in_one_order):
        size = broker.step_of(leg.symbol, short=short)
        if not is_tradable(quantity, size):
            is_rule_of_shorts = short and size != broker.step_of(leg.symbol)
            result.see(
                "quantity", False, _size_text(leg, quantity, size, is_rule_of_shorts), quantity=quantity, step=size
            )
    if leg.is_short_sale and not (broker.short_selling and (asset is None or asset.shortable)):
        text = (
            f"Selling {plain_text(leg.quantity)} {leg.symbol} of {plain_text(leg.held)} held would be a short sale, "
            "which the broker does not allow."
        )
        result.see("shortable", False, text, symbol=leg.symbol, held=leg.held)


def _size_text(leg: LegOrderPlan, quantity: Decimal, size: Decimal, is_rule_of_shorts: bool) -> str:
    """Return the sentence that names the size and the rule that it breaks."""
    if is_rule_of_shorts:
        how = "sold short" if leg.side is Side.SELL else "traded against a short position"
        rule = f"short sales go in {'whole shares' if size == 1 else f'steps of {plain_text(size)}'}"
    else:
        how, rule = "traded", f"the broker trades steps of {plain_text(size)}"
    if quantity == 0:
        return f"What is to be {how} of {leg.symbol} rounds to 0: {rule}."
    return f"{plain_text(quantity)} {leg.symbol} cannot be {how}: {rule}."


def _ask_fraction(result: Preflight, leg: LegOrderPlan, broker: BrokerFacts) -> None:
    if leg.time_in_force in broker.fraction_times_in_force:
        return
    text = (
        f"{plain_text(leg.quantity)} {leg.symbol} are not whole shares, which the broker does not take "
        f"as {leg.time_in_force} orders, as {leg.symbol} is registered for."
    )
    result.see("time in force", False, text, quantity=leg.quantity, time_in_force=leg.time_in_force)


def _ask_session(result: Preflight, legs: Sequence[LegOrderPlan], broker: BrokerFacts, now: datetime) -> None:
    account, session = broker.account, broker.session
    waiting = all(leg.waits_for_the_session or broker.is_always_open(leg.symbol) for leg in legs)
    if account is not None and account.blocked:
        result.see("account", False, f"The broker takes no orders for this account: {account.blocked}.")
    elif session is not None and not session.is_open and not waiting:
        until = "" if session.opens_at is None else f"; it opens at {session.opens_at:%Y-%m-%d %H:%M} UTC"
        if session.has_turned(now):
            until = ", though it was to be open by now"
        result.is_closed, result.opens_at = True, session.opens_at
        result.see("market closed", False, f"The broker's market is closed{until}.", opens_at=session.opens_at)


def _ask_money(result: Preflight, legs: Sequence[LegOrderPlan], broker: BrokerFacts) -> None:
    growing = [leg for leg in legs if leg.increase > 0]
    if not growing or broker.account is None:
        return
    power = broker.account.buying_power - broker.reserved
    if any(leg.price is None for leg in growing):
        names = ", ".join(leg.symbol for leg in growing if leg.price is None)
        result.see("buying power", True, f"Not judged: no price of {names} is known.", buying_power=power)
        return
    need = cost(growing)
    ok = need <= power
    text = f"The legs together need {need:.2f}; the account can buy for {power:.2f}."
    result.see("buying power", ok, text, need=f"{need:.2f}", buying_power=f"{power:.2f}")


def cost(legs: Sequence[LegOrderPlan]) -> Decimal:
    """Return what the growing holdings cost about, in the account's currency; legs without a price count nothing."""
    return sum((leg.increase * abs(leg.price) for leg in legs if leg.price is not None), ZERO)
