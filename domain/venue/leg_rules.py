"""What speaks against one order, by the rules of its account, its class of assets and its asset.

Rules of entries are asked of what opens or enlarges a position, and never of what closes one.
"""

from __future__ import annotations

from collections.abc import Iterator

from domain.enums import AssetClass, Side
from domain.exact import plain_text
from domain.messages import AssetReport
from domain.sizing import is_tradable
from domain.venue.capabilities import AssetRules, Grant
from domain.venue.money import unit_value
from domain.venue.objections import Objection
from domain.venue.order_plans import BrokerFacts, LegOrderPlan
from domain.venue.prices import is_in_steps

CLASS_NAMES = {
    AssetClass.STOCK: "shares",
    AssetClass.FX: "currencies",
    AssetClass.CRYPTO: "coins",
    AssetClass.FUTURE: "futures",
}


def objections(leg: LegOrderPlan, broker: BrokerFacts) -> Iterator[Objection]:
    """Yield what speaks against an order; nothing where the broker takes it."""
    rules, asset = broker.rules_of(leg.symbol), broker.assets.get(leg.symbol)
    if rules is None:
        kind = CLASS_NAMES[broker.class_of(leg.symbol)]
        yield Objection(
            "asset class", f"The broker does not trade {kind}, so not {leg.symbol}.", {"symbol": leg.symbol}
        )
        return
    yield from _kind(leg, rules)
    if leg.quantity % 1:
        yield from _fraction(leg, broker, rules, asset)
    yield from _prices(leg, broker)
    if leg.symbol in broker.assets and (asset is None or not asset.tradable):
        yield Objection("tradable", f"The broker does not trade {leg.symbol}.", {"symbol": leg.symbol})
    yield from _sizes(leg, broker)
    if leg.is_short_sale:
        yield from _short(leg, broker, rules, asset)
    if leg.opens > 0:
        yield from _entry(leg, broker, rules, asset)


def _kind(leg: LegOrderPlan, rules: AssetRules) -> Iterator[Objection]:
    registered = _asked_for(leg)
    if leg.order_type not in rules.order_kinds:
        text = f"The broker does not take {leg.order_type} orders, {registered}."
        yield Objection("order type", text, {"order_type": leg.order_type})
        return
    if leg.time_in_force not in rules.order_kinds[leg.order_type]:
        is_known = any(leg.time_in_force in times for times in rules.order_kinds.values())
        what = f"{leg.time_in_force} {leg.order_type}" if is_known else leg.time_in_force
        text = f"The broker does not take {what} orders, {registered}."
        yield Objection("time in force", text, {"time_in_force": leg.time_in_force})
    if leg.extended_hours and leg.time_in_force not in rules.extended_kinds.get(leg.order_type, ()):
        what = f"{leg.time_in_force} {leg.order_type} orders outside of the session"
        if not rules.extended_kinds:
            what = "orders outside of the session"
        text = f"The broker does not take {what}, {registered}."
        yield Objection("extended hours", text, {"time_in_force": leg.time_in_force, "extended_hours": True})


def _asked_for(leg: LegOrderPlan) -> str:
    return "as the alert asks for" if leg.of_alert else f"as {leg.symbol} is registered for"


def _fraction(
    leg: LegOrderPlan, broker: BrokerFacts, rules: AssetRules, asset: AssetReport | None
) -> Iterator[Objection]:
    what = f"{plain_text(leg.quantity)} {leg.symbol} are not whole shares, which the broker does not take"
    values = {"quantity": leg.quantity, "time_in_force": leg.time_in_force}
    if leg.time_in_force not in rules.fraction_kinds.get(leg.order_type, ()):
        name = leg.time_in_force if leg.order_type in rules.fraction_kinds else leg.order_type
        text = f"{what} as {name} orders, {_asked_for(leg)}."
        yield Objection("time in force" if leg.order_type in rules.fraction_kinds else "order type", text, values)
    by_asset = rules.extended_fractions is Grant.BY_ASSET and asset is not None and asset.extended_fractions
    if leg.extended_hours and not by_asset and rules.extended_fractions is not Grant.ALL:
        yield Objection("extended hours", f"{what} outside of the session.", {**values, "extended_hours": True})


def _prices(leg: LegOrderPlan, broker: BrokerFacts) -> Iterator[Objection]:
    for name, price in leg.prices:
        if price is None or price <= 0:
            kind = name.removesuffix(" price")
            text = f"{leg.symbol} is registered for {kind} orders, but the alert has no price above 0."
            yield Objection(name, text, {"price": price})
            continue
        step = broker.price_step_of(leg.symbol, price)
        if step is not None and not is_in_steps(price, step):
            text = f"The {name} {plain_text(price)} of {leg.symbol} is no multiple of {plain_text(step)}."
            yield Objection("price step", text, {"price": price, "step": step})
    trail = leg.trail
    if trail is not None and leg.price is not None and trail.stop(leg.side, abs(leg.price)) <= 0:
        text = f"{leg.symbol} costs about {plain_text(abs(leg.price))}: a stop so far below it would be no price."
        yield Objection("trail price", text, {"trail_price": trail.price, "price": leg.price})


def _sizes(leg: LegOrderPlan, broker: BrokerFacts) -> Iterator[Objection]:
    for quantity, short in leg.parts(whole=broker.able.reverses_in_one_order):
        size = broker.step_of(leg.symbol, short=short)
        if is_tradable(quantity, size):
            continue
        if short and size != broker.step_of(leg.symbol):
            how = "sold short" if leg.side is Side.SELL else "traded against a short position"
            rule = f"short sales go in {'whole shares' if size == 1 else f'steps of {plain_text(size)}'}"
        else:
            how, rule = "traded", f"the broker trades steps of {plain_text(size)}"
        text = f"{plain_text(quantity)} {leg.symbol} cannot be {how}: {rule}."
        if quantity == 0:
            text = f"What is to be {how} of {leg.symbol} rounds to 0: {rule}."
        yield Objection("quantity", text, {"quantity": quantity, "step": size})


def _short(leg: LegOrderPlan, broker: BrokerFacts, rules: AssetRules, asset: AssetReport | None) -> Iterator[Objection]:
    who = ""
    if not rules.short_selling or (asset is not None and not asset.shortable):
        who = "the broker"
    elif broker.account is not None and not broker.account.may_short:
        who = "this account at the broker"
    if who:
        text = (
            f"Selling {plain_text(leg.quantity)} {leg.symbol} of {plain_text(leg.held)} held would be a short sale, "
            f"which {who} does not allow."
        )
        yield Objection("shortable", text, {"symbol": leg.symbol, "held": leg.held})


def _entry(leg: LegOrderPlan, broker: BrokerFacts, rules: AssetRules, asset: AssetReport | None) -> Iterator[Objection]:
    if asset is not None and asset.not_bought and leg.side is Side.BUY:
        yield Objection("not bought", f"{leg.symbol} may not be bought: {asset.not_bought}.", {"symbol": leg.symbol})
    account = broker.account
    if account is not None and account.coins_blocked and broker.class_of(leg.symbol) is AssetClass.CRYPTO:
        yield Objection("coins", f"The broker takes no orders for coins of this account: {account.coins_blocked}.")
    least = rules.least_quantity if asset is None or asset.least_quantity is None else asset.least_quantity
    if leg.opens < least:
        text = f"{plain_text(leg.opens)} {leg.symbol} are less than the broker takes: at least {plain_text(least)}."
        yield Objection("least quantity", text, {"quantity": leg.opens, "least": least})
    yield from _least_value(leg, broker, rules, asset)
    if leg.extended_hours and broker.session is not None and broker.session.is_overnight:
        by_asset = rules.overnight is Grant.BY_ASSET and asset is not None and asset.overnight
        if not by_asset and rules.overnight is not Grant.ALL:
            text = f"{leg.symbol} is not traded overnight, and the overnight session is on."
            yield Objection("overnight", text, {"symbol": leg.symbol})


def _least_value(
    leg: LegOrderPlan, broker: BrokerFacts, rules: AssetRules, asset: AssetReport | None
) -> Iterator[Objection]:
    least = rules.least_value if asset is None or asset.least_value is None else asset.least_value
    if leg.quantity % 1:
        least = max(least, rules.least_fraction_value)
    each = unit_value(leg, broker)
    if least and each is not None and leg.opens * each < least:
        worth, what = f"{leg.opens * each:.2f}", f"{plain_text(leg.opens)} {leg.symbol}"
        text = f"{what} are worth about {worth}; the broker takes orders of at least {plain_text(least)}."
        yield Objection("least value", text, {"value": worth, "least": least})
