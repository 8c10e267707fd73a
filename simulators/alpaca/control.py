"""The control, /sim: what people and tests make the simulator do. It answers this machine only."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

from aiohttp import web

from simulators.alpaca import activities, keys, session
from simulators.alpaca.account import Account, Order
from simulators.alpaca.streams import Streams
from simulators.alpaca.trading import WORLD, submit
from simulators.alpaca.wire import Refused, answer, body_of, moment, number, text
from simulators.alpaca.world import World

routes = web.RouteTableDef()
STREAMS: web.AppKey[Streams] = web.AppKey("streams", Streams)
# States that orders are in "on very rare occasions": Trading API, "Orders at Alpaca", order lifecycle.
STATUSES = ("new", "stopped", "suspended", "calculated", "done_for_day", "accepted_for_bidding", "held")
ASSET_RULES = {
    "tradable": bool, "shortable": bool, "fractionable": bool, "easy_to_borrow": bool, "status": str,
    "attributes": list, "price_increment": str, "min_order_size": str,
}  # fmt: skip


@routes.get("/sim/health")
async def health(request: web.Request) -> web.Response:
    """Answer that it runs."""
    return answer({"ok": True})


@routes.put("/sim/quotes/{symbol:.+}")
async def put_quote(request: web.Request) -> web.Response:
    """Quote a symbol; orders that it crosses fill."""
    world, symbol, body = request.app[WORLD], _symbol(request), await body_of(request)
    bid, ask = number(body.get("bid"), "bid"), number(body.get("ask"), "ask")
    if bid is None or ask is None or not 0 < bid <= ask:
        raise Refused(400, None, "bid and ask must be above 0, and the ask not below the bid")
    world.market.quotes[symbol] = (bid, ask)
    return _quoted(request, symbol)


@routes.delete("/sim/quotes/{symbol:.+}")
async def delete_quote(request: web.Request) -> web.Response:
    """Let a symbol be quoted as at first."""
    symbol = _symbol(request)
    request.app[WORLD].market.quotes.pop(symbol, None)
    return _quoted(request, symbol)


def _quoted(request: web.Request, symbol: str) -> web.Response:
    world = request.app[WORLD]
    world.dirty = True
    world.engine.look_again(world.everyone(), symbol)
    request.app[STREAMS].tell_market(symbol)
    bid, ask = world.market.quote(symbol)
    return answer({"symbol": symbol, "bid": text(bid), "ask": text(ask)})


@routes.put("/sim/assets/{symbol:.+}")
async def put_asset(request: web.Request) -> web.Response:
    """Set what may be done with an asset."""
    world, symbol, body = request.app[WORLD], _symbol(request), await body_of(request)
    for name, value in body.items():
        if name not in ASSET_RULES or not isinstance(value, ASSET_RULES[name]):
            raise Refused(
                400, None, f"{name} must be one of {', '.join(ASSET_RULES)}, and true, false, a word or a list"
            )
    world.market.rules[symbol] = world.market.rules.get(symbol, {}) | body
    world.dirty = True
    return answer(world.market.asset(symbol))


@routes.delete("/sim/assets/{symbol:.+}")
async def delete_asset(request: web.Request) -> web.Response:
    """Let an asset be as at first."""
    request.app[WORLD].market.rules.pop(_symbol(request), None)
    request.app[WORLD].dirty = True
    return answer({})


@routes.put("/sim/clock")
async def put_clock(request: web.Request) -> web.Response:
    """Open or close the exchange, or let it go by New York's hours."""
    world, body = request.app[WORLD], await body_of(request)
    clock, mode = world.clock, body.get("mode", "manual")
    if mode not in ("always", "real", "manual") or (mode == "manual" and not isinstance(body.get("is_open"), bool)):
        raise Refused(400, None, "say is_open true or false, or mode always or real")
    clock.mode = mode
    if mode == "manual":
        clock.manual_open = body["is_open"]
        clock.manual_overnight = body.get("overnight") is True
        turn = "next_close" if clock.manual_open else "next_open"
        clock.turn_at = moment(body.get(turn), turn)
    world.dirty = True
    session.follow(world)
    return answer({"is_open": clock.is_open()})


@routes.post("/sim/time")
async def advance(request: web.Request) -> web.Response:
    """Move the clock; what falls due meanwhile happens."""
    world, seconds = request.app[WORLD], (await body_of(request)).get("advance")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= 40 * 86_400:
        raise Refused(400, None, "advance must be a number of seconds from 0 to forty days")
    session.advance(world, seconds)
    return answer({"now": world.clock.now().isoformat()})


@routes.post("/sim/keys")
async def post_keys(request: web.Request) -> web.Response:
    """Open an account for another pair of keys."""
    body = await body_of(request)
    key, secret = body.get("key"), body.get("secret")
    if not isinstance(key, str) or not isinstance(secret, str) or not key or not secret:
        raise Refused(400, None, "key and secret must be texts")
    if key in request.app[WORLD].accounts:
        raise Refused(409, None, "an account has this key")
    account = request.app[WORLD].add(key, secret)
    return answer({"key": key, "account_number": account.number}, 201)


@routes.put("/sim/account")
async def put_account(request: web.Request) -> web.Response:
    """Block an account, change its money, or refuse its keys."""
    body = await body_of(request)
    account = _account(request, body.get("key"))
    if "blocked" in body:
        account.blocked = str(body["blocked"] or "")
    account.suspended = bool(body.get("trade_suspended", account.suspended))
    account.shorting = bool(body.get("shorting_enabled", account.shorting))
    account.crypto_status = str(body.get("crypto_status", account.crypto_status))
    account.takes_ptp = bool(body.get("takes_ptp", account.takes_ptp))
    account.revoked = bool(body.get("revoke", account.revoked))
    cash = number(body.get("cash"), "cash")
    account.cash = account.cash if cash is None else cash
    request.app[WORLD].dirty = True
    return answer(account.wire(request.app[WORLD].market.quote))


@routes.post("/sim/faults")
async def post_fault(request: web.Request) -> web.Response:
    """Make it do something wrong."""
    return answer(request.app[WORLD].faults.tell(await body_of(request)).wire(), 201)


@routes.get("/sim/faults")
async def get_faults(request: web.Request) -> web.Response:
    """List what it was told, and how often it was done."""
    return answer([fault.wire() for fault in request.app[WORLD].faults.told])


@routes.delete("/sim/faults")
async def delete_faults(request: web.Request) -> web.Response:
    """Forget what is not done yet."""
    request.app[WORLD].faults.forget()
    return answer({})


@routes.post("/sim/orders")
async def post_order(request: web.Request) -> web.Response:
    """Place an order as somebody else would, by hand."""
    body = await body_of(request)
    usual = {"type": "market", "time_in_force": "day"}
    return answer(submit(request.app[WORLD], _account(request, body.pop("key", None)), usual | body).wire(), 201)


@routes.post("/sim/orders/{client_order_id}/{deed:fill|cancel|expire|status}")
async def order_deed(request: web.Request) -> web.Response:
    """Fill an order or a part of it, or end it, by the venue's own hand."""
    world, body = request.app[WORLD], await body_of(request) if request.can_read_body else {}
    account, order = _find(world, request.match_info["client_order_id"])
    engine = world.engine
    if request.match_info["deed"] == "cancel":
        engine.cancel_now(account, order)
    elif request.match_info["deed"] == "expire":
        engine.expire(account, order)
    elif request.match_info["deed"] == "status":
        if body.get("status") not in STATUSES or not order.is_open:
            raise Refused(400, None, f"status must be one of {', '.join(STATUSES)}, of an order that is open")
        engine.set_status(account, order, str(body["status"]))
    else:
        quantity = number(body.get("quantity"), "quantity") or order.remaining
        if not 0 < quantity <= order.remaining:
            raise Refused(400, None, "not so much is left to fill")
        late = float(number(body.get("listed_after"), "listed_after") or 0)
        engine.fill(account, order, quantity, number(body.get("price"), "price"), listed_after=late)
    world.dirty = True
    return answer(order.wire())


@routes.get("/sim/book")
async def book(request: web.Request) -> web.Response:
    """Show all that an account has done and holds."""
    world = request.app[WORLD]
    account = _account(request, request.query.get("key"))
    return answer(
        {
            "orders": [order.wire() for order in account.orders.values()],
            "activities": activities.listed(account, world.clock.now()),
            "positions": {symbol: text(row.qty) for symbol, row in account.positions.items()},
            "resting": [order.client_order_id for order in account.orders.values() if order.is_open and order.rests],
            "requests": dict(world.requests),
        }
    )


@routes.post("/sim/streams")
async def post_streams(request: web.Request) -> web.Response:
    """Cut the streams, let them be silent, or refuse new ones."""
    streams, body = request.app[STREAMS], await body_of(request)
    now = time.monotonic()
    if "silence" in body:
        streams.silent_until = now + float(number(body["silence"], "silence") or Decimal(0))
    if "refuse" in body:
        streams.refuse_until = now + float(number(body["refuse"], "refuse") or Decimal(0))
    dropped = await streams.drop_all() if body.get("drop") else 0
    return answer({"dropped": dropped})


@routes.get("/sim/streams")
async def get_streams(request: web.Request) -> web.Response:
    """List open connections."""
    shown = [{"kind": c.kind, "key": c.key, "listening": c.listening} for c in request.app[STREAMS].open]
    return answer(sorted(shown, key=lambda row: str(row["kind"])))


def _symbol(request: web.Request) -> str:
    asset = request.app[WORLD].market.asset(request.match_info["symbol"])
    if asset is None:
        raise Refused(400, None, "no asset has this symbol")
    return str(asset["symbol"])


def _account(request: web.Request, key: Any) -> Account:
    account = request.app[WORLD].accounts.get(str(key or keys.KEY))
    if account is None:
        raise Refused(400, None, "no account has this key")
    return account


def _find(world: World, client_order_id: str) -> tuple[Account, Order]:
    for account in world.everyone():
        if (order := account.by_client_id(client_order_id)) is not None:
            return account, order
    raise Refused(404, None, "no order has this client order id")
