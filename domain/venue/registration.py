"""Whether an account can trade a stock as it is registered: asked then, and not only when an alert comes."""

from __future__ import annotations

from collections.abc import Iterable

from domain.enums import AssetClass, OrderType, TimeInForce
from domain.venue.capabilities import AccountCapabilities, Kinds
from domain.venue.leg_rules import CLASS_NAMES


def wrong_terms(
    able: AccountCapabilities,
    broker: str,
    asset_class: AssetClass,
    order_type: OrderType,
    time_in_force: TimeInForce,
    *,
    extended_hours: bool,
) -> dict[str, str]:
    """Return the rule that each term breaks, by the name of its field; `broker` is its title, for the sentence."""
    rules, what = able.classes.get(asset_class), CLASS_NAMES[asset_class]
    if rules is None:
        return {
            "asset_class": f"{broker} does not trade {what}; it trades: {_listed(map(CLASS_NAMES.get, able.classes))}"
        }
    times = rules.order_kinds.get(order_type)
    if times is None:
        known = _listed(kind for kind in rules.order_kinds if not kind.has_trail)  # only alerts ask for those
        return {"order_type": f"{broker} does not take {order_type} orders of {what}; it takes: {known}"}
    if time_in_force not in times:
        text = f"{broker} does not take {time_in_force} {order_type} orders of {what}; it takes: {_listed(times)}"
        return {"time_in_force": text}
    if extended_hours and time_in_force not in rules.extended_kinds.get(order_type, ()):
        known = _kinds(rules.extended_kinds)
        rest = f"; it takes: {known}" if known else ""
        text = f"{broker} does not take {time_in_force} {order_type} orders of {what} outside of the session{rest}"
        return {"extended_hours": text}
    return {}


def _kinds(kinds: Kinds) -> str:
    return ", ".join(f"{kind} as {_listed(times)}" for kind, times in sorted(kinds.items()))


def _listed(names: Iterable[str | None]) -> str:
    return ", ".join(sorted(filter(None, names)))
