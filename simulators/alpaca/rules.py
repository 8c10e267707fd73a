"""What Alpaca asks of an order before it takes it; each refusal with its status and code."""

from __future__ import annotations

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

from simulators.alpaca.account import Account, Order
from simulators.alpaca.clock import Clock
from simulators.alpaca.conditions import coins, shares, trailing
from simulators.alpaca.market import Market
from simulators.alpaca.wire import BUSINESS, FORBIDDEN, VALIDATION, Refused, fits, number, text

TYPES = ("market", "limit", "stop", "stop_limit", "trailing_stop")
TIMES_IN_FORCE = ("day", "gtc", "opg", "cls", "ioc", "fok")
BAND = {False: Decimal("1.025"), True: Decimal("1.04")}  # of a buy stop; wider below 50 dollars
INTENTS = ("buy_to_open", "buy_to_close", "sell_to_open", "sell_to_close")
PLACES = {"qty": 9, "notional": 2}
LONGEST_ID = 128
LONGEST_LIFE = timedelta(days=90)


def make_order(body: dict[str, Any], account: Account, market: Market, clock: Clock) -> Order:
    """Return the order of a request; raises Refused."""
    order = _read(body, market, clock)
    _check_id(order, account)
    if order.position_intent is None:
        closes = account.held(order.symbol) * order.sign < 0
        order.position_intent = f"{order.side}_to_{'close' if closes else 'open'}"
    _check_terms(order)
    _check_asset(order, market, account, clock)
    _check_account(order, account, market)
    return order


def _check_words(body: dict[str, Any]) -> None:
    if (body.get("order_class") or "simple") != "simple":
        raise Refused(422, VALIDATION, "the simulator takes only simple orders")
    if (body.get("position_intent") or INTENTS[0]) not in INTENTS:
        raise Refused(422, VALIDATION, "invalid position_intent")
    for name, words in (("side", ("buy", "sell")), ("type", TYPES), ("time_in_force", TIMES_IN_FORCE)):
        if (value := body.get(name)) not in words:
            raise Refused(422, VALIDATION, f"invalid {name}" if value else f"{name} is required")


def _size(body: dict[str, Any], name: str) -> Decimal | None:
    """Return a quantity or an amount of dollars."""
    value = number(body.get(name), name)
    if value is not None and value <= 0:
        raise Refused(422, VALIDATION, f"{name} must be > 0")
    if value is not None and not fits(value, PLACES[name]):
        raise Refused(422, VALIDATION, f"{name} must have at most {PLACES[name]} decimals")
    return value


def _read(body: dict[str, Any], market: Market, clock: Clock) -> Order:
    _check_words(body)
    symbol = body.get("symbol")
    if not isinstance(symbol, str) or not symbol:
        raise Refused(422, VALIDATION, "symbol is required")
    qty, notional = _size(body, "qty"), _size(body, "notional")
    if (qty is None) is (notional is None):
        raise Refused(422, VALIDATION, "exactly one of qty or notional is required")
    asset = market.asset(symbol)
    if asset is None:
        raise Refused(422, BUSINESS, f'asset "{symbol}" not found')
    if notional is not None:
        qty = (notional / market.quote(asset["symbol"])[1]).quantize(Decimal("1e-9"))
    return Order(
        client_order_id=str(body.get("client_order_id") or uuid.uuid4()),
        symbol=asset["symbol"],
        asset_class=asset["class"],
        asset_id=asset["id"],
        side=body["side"],
        type=body["type"],
        time_in_force=body["time_in_force"],
        created_at=clock.now(),
        expires_at=clock.now() + LONGEST_LIFE if body["time_in_force"] == "gtc" else clock.next_close(),
        qty=qty,
        notional=notional,
        limit_price=number(body.get("limit_price"), "limit_price"),
        stop_price=number(body.get("stop_price"), "stop_price"),
        trail_price=number(body.get("trail_price"), "trail_price"),
        trail_percent=number(body.get("trail_percent"), "trail_percent"),
        extended_hours=body.get("extended_hours") is True,
        position_intent=body.get("position_intent") or None,
    )


def _check_id(order: Order, account: Account) -> None:
    if len(order.client_order_id) > LONGEST_ID:
        raise Refused(422, VALIDATION, f"client_order_id must be no more than {LONGEST_ID} characters")
    if account.by_client_id(order.client_order_id) is not None:
        raise Refused(422, VALIDATION, "client_order_id must be unique")


def _check_terms(order: Order) -> None:
    for name, price, needed in (
        ("limit_price", order.limit_price, order.type in ("limit", "stop_limit")),
        ("stop_price", order.stop_price, order.type in ("stop", "stop_limit")),
    ):
        if needed and price is None:
            raise Refused(422, VALIDATION, f"{order.type} orders require {name}")
        if not needed and price is not None:
            raise Refused(422, VALIDATION, f"{order.type} orders must not have {name}")
        if price is not None:
            check_price(name, price, order.asset_class)
    trailing.check_trail(order)
    if order.extended_hours and not (order.type == "limit" and order.time_in_force in ("day", "gtc")):
        raise Refused(422, BUSINESS, "extended hours order must be DAY or GTC limit orders")
    if order.asset_class == "crypto":
        coins.check_kind(order)
    if order.time_in_force in ("opg", "cls") and order.type not in ("market", "limit"):
        raise Refused(422, BUSINESS, f"{order.time_in_force} orders must be market or limit orders")
    if order.type == "stop" and order.side == "buy" and order.stop_price is not None:
        # A buy stop becomes a stop limit order, as a band against a price that runs away.
        wide = order.stop_price < 50
        order.type, order.limit_price = "stop_limit", (order.stop_price * BAND[wide]).quantize(Decimal("0.01"))


def check_price(name: str, price: Decimal, asset_class: str) -> None:
    """Raise Refused for a price that is none, or has more decimals than the exchange allows."""
    if price <= 0:
        raise Refused(422, VALIDATION, f"{name} must be > 0")
    places = 9 if asset_class == "crypto" else 2 if price >= 1 else 4
    if not fits(price, places):
        raise Refused(
            422,
            BUSINESS,
            f"invalid {name} {text(price)}. sub-penny increment does not fulfill minimum pricing criteria",
        )


def _check_asset(order: Order, market: Market, account: Account, clock: Clock) -> None:
    asset = market.asset(order.symbol)
    assert asset is not None
    if asset["status"] != "active":
        raise Refused(422, BUSINESS, f"asset {order.symbol} is not active")
    if not asset["tradable"]:
        raise Refused(422, BUSINESS, f"asset {order.symbol} is not tradable")
    if order.asset_class == "crypto":
        coins.check_asset(order, asset)
        return
    shares.check_fraction(order, asset, account, market.quote(order.symbol)[1])
    shares.check_attributes(order, asset, account, clock)


def _check_account(order: Order, account: Account, market: Market) -> None:
    asset, quantity = market.asset(order.symbol), order.qty or Decimal(0)
    assert asset is not None
    if account.blocked:
        raise Refused(403, FORBIDDEN, f"account is blocked: {account.blocked}")
    if account.suspended:
        raise Refused(403, FORBIDDEN, "trading is suspended by the user")
    if order.asset_class == "crypto":
        coins.check_account(order, account, market.quote)
    held = account.held(order.symbol)
    if held * order.sign < 0:
        spoken_for = account.held_for_orders(order.symbol, order.side)
        available = abs(held) - spoken_for
        if quantity > available:
            raise Refused(
                403,
                FORBIDDEN,
                f"insufficient qty available for order (requested: {text(quantity)}, available: {text(available)})",
                symbol=order.symbol,
                available=text(available) or "0",
                existing_qty=text(abs(held)) or "0",
                held_for_orders=text(spoken_for) or "0",
                related_orders=[other.id for other in account.holding(order.symbol, order.side)],
            )
        _check_wash(order, account)
        return
    if order.side == "sell":
        _check_short(order, account, asset)
    _check_wash(order, account)
    if account.needs(order, quantity, market.quote) > account.buying_power(market.quote):
        power = text(round(account.buying_power(market.quote), 2)) or "0"
        raise Refused(403, FORBIDDEN, "insufficient buying power", buying_power=power)


def _check_short(order: Order, account: Account, asset: dict[str, Any]) -> None:
    if order.asset_class == "crypto":
        raise Refused(
            403, FORBIDDEN, f"insufficient balance for {order.symbol} (requested: {text(order.qty)}, available: 0)"
        )
    if not account.shorting:
        raise Refused(403, FORBIDDEN, "account is not allowed to short")
    if not asset["shortable"]:
        raise Refused(422, BUSINESS, f'asset "{order.symbol}" cannot be sold short')
    if not asset.get("easy_to_borrow", True):
        raise Refused(422, BUSINESS, f'asset "{order.symbol}" is hard to borrow and cannot be sold short')


def _could_meet(one: Order, other: Order) -> bool:
    """Return True unless both have limits that do not cross: market and stop orders trade at any price."""
    buy, sell = (one, other) if one.side == "buy" else (other, one)
    if buy.type != "limit" or sell.type != "limit":
        return True
    return (buy.limit_price or Decimal(0)) >= (sell.limit_price or Decimal(0))


def _check_wash(order: Order, account: Account) -> None:
    """Refuse what could be traded with an open order of the account itself: exits and coins too, and at night.

    https://docs.alpaca.markets/docs/user-protection, "Wash Trade Protection".
    """
    for other in account.orders.values():
        if other.is_open and other.symbol == order.symbol and other.side != order.side and _could_meet(order, other):
            raise Refused(
                403,
                FORBIDDEN,
                "potential wash trade detected. use complex orders",
                existing_order_id=other.id,
                reject_reason="opposite side market/stop order exists",
            )
