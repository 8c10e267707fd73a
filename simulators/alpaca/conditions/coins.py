"""What Alpaca asks of orders for coins."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from simulators.alpaca.account import Account, Order, Price
from simulators.alpaca.wire import BUSINESS, FORBIDDEN, Refused, text

TYPES = ("market", "limit", "stop_limit")
TIMES_IN_FORCE = ("gtc", "ioc")
LEAST = Decimal(10)  # dollars
DOLLARS = "/USD"


def check_kind(order: Order) -> None:
    """Refuse a kind of order that coins do not have.

    https://docs.alpaca.markets/docs/crypto-orders: market, limit and stop_limit; gtc and ioc.
    """
    if order.time_in_force not in TIMES_IN_FORCE:
        raise Refused(422, BUSINESS, "invalid crypto time_in_force")
    if order.type not in TYPES:
        raise Refused(422, BUSINESS, "invalid order type for crypto order")


def check_asset(order: Order, asset: dict[str, Any]) -> None:
    """Refuse a price or a quantity that the coin is not traded in.

    https://docs.alpaca.markets/docs/crypto-trading, "Supported Coins": `price_increment`, `min_order_size`.
    """
    step = Decimal(asset["price_increment"])
    for name, price in (("limit_price", order.limit_price), ("stop_price", order.stop_price)):
        if price is not None and price % step:
            raise Refused(422, BUSINESS, f"invalid {name} {text(price)}: it must be a multiple of {text(step)}")
    least = Decimal(asset["min_order_size"])
    if order.side == "buy" and (order.qty or Decimal(0)) < least:
        raise Refused(403, FORBIDDEN, f"minimal qty of the order is {text(least)}")


def check_account(order: Order, account: Account, price: Price) -> None:
    """Refuse what the account may not, or cannot, pay for.

    https://docs.alpaca.markets/docs/crypto-trading-1: `crypto_status` must be ACTIVE. The same page: coins are not
    marginable, `non_marginable_buying_power` counts. https://docs.alpaca.markets/docs/user-protection: an order against
    dollars is of 10 dollars or more.
    """
    if account.crypto_status != "ACTIVE":
        raise Refused(403, FORBIDDEN, f"crypto trading is not enabled for this account: {account.crypto_status}")
    if order.side != "buy":
        return
    cost = order.notional or account.needs(order, order.qty or Decimal(0), price)
    if order.symbol.endswith(DOLLARS) and cost < LEAST:
        raise Refused(403, FORBIDDEN, f"cost basis must be >= minimal amount of order {LEAST}")
    if cost > (own := account.cash_power(price)):
        balance = text(round(own, 2)) or "0"
        raise Refused(403, FORBIDDEN, f"insufficient balance for USD (requested: {text(cost)}, available: {balance})")
