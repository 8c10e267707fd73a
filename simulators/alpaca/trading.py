"""The trading API, /v2."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from simulators.alpaca import activities, replacing
from simulators.alpaca.account import CLOSED, Account, Order
from simulators.alpaca.clock import NEW_YORK, is_closed, session_of
from simulators.alpaca.faults import CANCEL_KINDS, ORDER_KINDS, REPLACE_KINDS, Fault
from simulators.alpaca.market import coin_name
from simulators.alpaca.wire import NOT_FOUND, VALIDATION, Refused, answer, body_of, iso, moment
from simulators.alpaca.world import World

routes = web.RouteTableDef()
WORLD: web.AppKey[World] = web.AppKey("world", World)
ACCOUNT: web.RequestKey[Account] = web.RequestKey("account", Account)
HIDDEN: web.RequestKey[Fault] = web.RequestKey("hidden", Fault)
CHANGES = ("qty", "time_in_force", "limit_price", "stop_price", "trail", "client_order_id")


def account_of(request: web.Request) -> Account:
    """Return the account whose keys came with a request."""
    return request[ACCOUNT]


@routes.post("/v2/orders")
async def post_order(request: web.Request) -> web.Response:
    """Take an order."""
    body = await body_of(request)
    return answer(submit(request.app[WORLD], account_of(request), body, request.get(HIDDEN)).wire())


def submit(world: World, account: Account, body: dict[str, Any], hidden: Fault | None = None) -> Order:
    """Take an order, and treat it as the control has said. Raises Refused."""
    symbol = str(body.get("symbol"))
    told = hidden or world.faults.take(ORDER_KINDS, "POST", "/v2/orders", coin_name(symbol) or symbol)
    world.dirty = True
    return world.engine.submit(account, body, told)


@routes.get("/v2/orders")
async def get_orders(request: web.Request) -> web.Response:
    """List orders."""
    query, world = request.query, request.app[WORLD]
    status, direction = query.get("status", "open"), query.get("direction", "desc")
    if status not in ("open", "closed", "all"):
        raise Refused(422, VALIDATION, "invalid status")
    if direction not in ("asc", "desc"):
        raise Refused(422, VALIDATION, "invalid direction")
    limit = _whole(query.get("limit", "50"), "limit", 500)
    after, until = moment(query.get("after"), "after"), moment(query.get("until"), "until")
    symbols = {coin_name(s) or s for s in query.get("symbols", "").split(",") if s}
    found = [
        order
        for order in visible(account_of(request), world.clock.now())
        if (status == "all" or (order.status in CLOSED) is (status == "closed"))
        and (after is None or order.created_at > after)
        and (until is None or order.created_at < until)
        and (not symbols or order.symbol in symbols)
        and query.get("side", order.side) == order.side
        and query.get("asset_class", order.asset_class) == order.asset_class
    ]
    found.sort(key=lambda order: order.created_at, reverse=direction == "desc")
    return answer([order.wire() for order in found[:limit]])


@routes.delete("/v2/orders")
async def delete_orders(request: web.Request) -> web.Response:
    """Request the cancel of all open orders."""
    world, account, results = request.app[WORLD], account_of(request), []
    for order in [order for order in account.orders.values() if order.is_open and order.status != "pending_cancel"]:
        try:
            world.engine.cancel(account, order)
            status = 200
        except Refused:
            status = 500  # "If an order is no longer cancelable": Trading API, "Delete All Orders"
        results.append({"id": order.id, "status": status})
    return answer(results, 207)


@routes.get("/v2/orders:by_client_order_id")
async def get_by_client_id(request: web.Request) -> web.Response:
    """Look one order up by its client order id."""
    wanted, now = request.query.get("client_order_id"), request.app[WORLD].clock.now()
    if not wanted:
        raise Refused(422, VALIDATION, "client_order_id is missing")
    order = account_of(request).by_client_id(wanted)
    if order is None or not _is_visible(order, now):
        raise Refused(404, NOT_FOUND, f"order not found for {wanted}")
    return answer(order.wire())


@routes.get("/v2/orders/{id}")
async def get_order(request: web.Request) -> web.Response:
    """Show one order."""
    return answer(_order(request).wire())


@routes.delete("/v2/orders/{id}")
async def delete_order(request: web.Request) -> web.Response:
    """Request the cancel of an order."""
    world, order = request.app[WORLD], _order(request)
    told = world.faults.take(CANCEL_KINDS, "DELETE", "/v2/orders/", order.symbol) if order.is_open else None
    world.engine.cancel(account_of(request), order, told)
    return web.Response(status=204)


@routes.patch("/v2/orders/{id}")
async def patch_order(request: web.Request) -> web.Response:
    """Give an order other terms."""
    body = await body_of(request)
    changes = {name: body[name] for name in CHANGES if body.get(name) is not None}
    if unknown := set(body) - {*CHANGES, "advanced_instructions"}:
        raise Refused(422, VALIDATION, f"unknown field {sorted(unknown)[0]}")
    world, order = request.app[WORLD], _order(request)
    told = world.faults.take(REPLACE_KINDS, "PATCH", request.path, order.symbol)
    return answer(replacing.replace(world.engine, account_of(request), order, changes, told).wire())


@routes.get("/v2/positions")
async def get_positions(request: web.Request) -> web.Response:
    """List holdings."""
    world, account = request.app[WORLD], account_of(request)
    return answer([_position(world, account, symbol) for symbol in sorted(account.positions)])


@routes.get("/v2/positions/{symbol:.+}")
async def get_position(request: web.Request) -> web.Response:
    """Show one holding."""
    account, symbol = account_of(request), request.match_info["symbol"]
    name = coin_name(symbol) or symbol
    if name not in account.positions:
        raise Refused(404, NOT_FOUND, "position does not exist")
    return answer(_position(request.app[WORLD], account, name))


@routes.get("/v2/account")
async def get_account(request: web.Request) -> web.Response:
    """Show money and blocks."""
    return answer(account_of(request).wire(request.app[WORLD].market.quote))


@routes.get("/v2/account/activities")
@routes.get("/v2/account/activities/{type}")
async def get_activities(request: web.Request) -> web.Response:
    """List executions and fees, page by page."""
    query = request.query
    kinds = request.match_info.get("type") or query.get("activity_types", "FILL,CFEE,FEE")
    direction = query.get("direction", "desc")
    if direction not in ("asc", "desc"):
        raise Refused(422, VALIDATION, "invalid direction")
    size = _whole(query.get("page_size", "100"), "page_size", 100)
    after, until, day = (moment(query.get(name), name) for name in ("after", "until", "date"))
    found = activities.listed(account_of(request), request.app[WORLD].clock.now())
    found = [row for row in found if row["activity_type"] in kinds.split(",") and _within(row, after, until, day)]
    if order_id := query.get("order_id"):
        found = [row for row in found if row.get("order_id") == order_id]
    found = activities.after_token(found, query.get("page_token"), newest_first=direction == "desc")
    return answer(found[:size])


@routes.get("/v2/clock")
async def get_clock(request: web.Request) -> web.Response:
    """Show whether the exchange is open."""
    clock = request.app[WORLD].clock
    times = {"timestamp": clock.now(), "next_open": clock.next_open(), "next_close": clock.next_close()}
    shown = {name: at.astimezone(NEW_YORK).isoformat() for name, at in times.items()}
    return answer({**shown, "is_open": clock.is_open()})


@routes.get("/v2/calendar")
async def get_calendar(request: web.Request) -> web.Response:
    """List the days with a session."""
    today = request.app[WORLD].clock.now().astimezone(NEW_YORK).date()
    start_at, end_at = (moment(request.query.get(name), name) for name in ("start", "end"))
    start = start_at.date() if start_at else today
    end = end_at.date() if end_at else today + timedelta(days=30)
    days = [start + timedelta(days=n) for n in range(min(max(0, (end - start).days + 1), 4000))]
    rows = []
    for day in days:
        if not is_closed(day):
            opens, closes = session_of(day)
            hours = {"open": f"{opens:%H:%M}", "close": f"{closes:%H:%M}"}
            extended = {"session_open": "0400", "session_close": "2000"}
            rows.append({"date": day.isoformat(), **hours, **extended, "settlement_date": day.isoformat()})
    return answer(rows)


@routes.get("/v2/assets")
async def get_assets(request: web.Request) -> web.Response:
    """List assets."""
    market, query = request.app[WORLD].market, request.query
    found = [asset for symbol in market.listed() if (asset := market.asset(symbol)) is not None]
    wanted = {"status": query.get("status"), "class": query.get("asset_class"), "exchange": query.get("exchange")}
    return answer([a for a in found if all(value is None or a[name] == value for name, value in wanted.items())])


@routes.get("/v2/assets/{symbol:.+}")
async def get_asset(request: web.Request) -> web.Response:
    """Show one asset."""
    symbol = request.match_info["symbol"]
    asset = request.app[WORLD].market.asset(symbol)
    if asset is None:
        raise Refused(404, NOT_FOUND, f"asset not found for {symbol}")
    return answer(asset)


def visible(account: Account, now: datetime) -> Sequence[Order]:
    """Return the orders of an account that lists and look-ups show."""
    return [order for order in account.orders.values() if _is_visible(order, now)]


def _is_visible(order: Order, now: datetime) -> bool:
    return order.visible_at is None or order.visible_at <= now


def _order(request: web.Request) -> Order:
    wanted, world = request.match_info["id"], request.app[WORLD]
    if len(wanted) != 36 or wanted.count("-") != 4:
        raise Refused(422, VALIDATION, "order_id is missing")
    order = account_of(request).orders.get(wanted)
    if order is None or not _is_visible(order, world.clock.now()):
        raise Refused(404, NOT_FOUND, f"order not found for {wanted}")
    return order


def _position(world: World, account: Account, symbol: str) -> dict[str, Any]:
    asset = world.market.asset(symbol)
    assert asset is not None
    return account.position_wire(symbol, world.market.quote, asset)


def _within(row: dict[str, Any], after: datetime | None, until: datetime | None, day: datetime | None) -> bool:
    at = row.get("transaction_time") or f"{row['date']}T00:00:00Z"
    if after is not None and at <= str(iso(after)):
        return False
    if until is not None and at >= str(iso(until)):
        return False
    return day is None or at[:10] == f"{day:%Y-%m-%d}"


def _whole(text: str, name: str, most: int) -> int:
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise Refused(422, VALIDATION, f"{name} must be between 1 and {most}")
    return int(text)
