"""The filters of the list of orders, read from the address; each wrong one gets a message of its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from domain.order_status import OrderStatus
from domain.ticker import TickerError, normalise_name
from services.reports.order_queries import OrderFilter

NAMES = ("name", "symbol", "status", "account", "show")
SHOW = {"open": "open orders", "all": "all orders"}


@dataclass(slots=True)
class OrderFilters:
    """What the visitor typed, what it means, and what is wrong with it."""

    typed: dict[str, str]
    wanted: OrderFilter = field(default_factory=OrderFilter)
    after: int | None = None
    messages: dict[str, str] = field(default_factory=dict)

    @property
    def given(self) -> dict[str, str]:
        """Return the filters that are in use, for addresses of further pages."""
        return {name: text for name, text in self.typed.items() if text and (name, text) != ("show", "open")}

    @property
    def only_open(self) -> bool:
        """Return True if orders that have ended are left out."""
        return bool(self.wanted.is_open)


def read_order_filters(args: Mapping[str, str], accounts: Collection[str]) -> OrderFilters:
    """Return the filters of an address; never raises, `messages` tells what is wrong.

    Open orders alone are listed unless all are asked for, or those of one status.
    """
    result = OrderFilters({name: args.get(name, "").strip() for name in NAMES})
    result.typed["show"] = result.typed["show"] or "open"
    if result.typed["show"] not in SHOW:
        result.messages["show"] = f"must be one of: {', '.join(SHOW)}"
    status = _status(result)
    account = result.typed["account"]
    if account and account not in accounts:
        result.messages["account"] = f"must be one of: {', '.join(accounts)}"
    result.wanted = OrderFilter(
        name=_name(result, "name"),
        symbol=_name(result, "symbol"),
        status=status,
        account=account or None,
        is_open=True if result.typed["show"] == "open" and not result.typed["status"] else None,
    )
    if after := args.get("after", ""):
        if after.isascii() and after.isdigit() and len(after) <= 18:
            result.after = int(after)
        else:
            result.messages["after"] = "This page of the list does not exist."
    return result


def _name(filters: OrderFilters, name: str) -> str | None:
    if not (text := filters.typed[name]):
        return None
    try:
        return normalise_name(text)
    except TickerError as e:
        filters.messages[name] = e.reason
        return None


def _status(filters: OrderFilters) -> OrderStatus | None:
    if not (text := filters.typed["status"]):
        return None
    try:
        return OrderStatus(text)
    except ValueError:
        filters.messages["status"] = f"must be one of: {', '.join(OrderStatus)}"
        return None
