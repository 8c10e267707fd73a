"""The market data API: the newest quotes and trades."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from aiohttp import web

from simulators.alpaca.market import Market
from simulators.alpaca.trading import WORLD
from simulators.alpaca.wire import Refused, answer

routes = web.RouteTableDef()
Body = Callable[[str, datetime], dict[str, Any]]


def _many(request: web.Request, topic: str, *, coins: bool) -> web.Response:
    world = request.app[WORLD]
    names = [name for name in request.query.get("symbols", "").split(",") if name]
    if not names:
        raise Refused(400, None, "symbols is required")
    body = _body(world.market, topic)
    found = {}
    for name in names:
        asset = world.market.asset(name)
        if asset is None or (asset["class"] == "crypto") is not coins:
            raise Refused(400, None, f"invalid symbol: {name}")  # one that it cannot read makes it refuse them all
        found[name] = body(asset["symbol"], world.clock.now())
    return answer({topic: found})


def _one(request: web.Request, topic: str) -> web.Response:
    world, name = request.app[WORLD], request.match_info["symbol"]
    asset = world.market.asset(name)
    if asset is None or asset["class"] == "crypto":
        raise Refused(400, None, f"invalid symbol: {name}")
    shown = _body(world.market, topic)(asset["symbol"], world.clock.now())
    return answer({"symbol": name, topic.removesuffix("s"): shown})


def _body(market: Market, topic: str) -> Body:
    return market.quote_body if topic == "quotes" else market.trade_body


@routes.get("/v2/stocks/{topic:quotes|trades}/latest")
async def stocks(request: web.Request) -> web.Response:
    """Show the newest quotes or trades of shares."""
    return _many(request, request.match_info["topic"], coins=False)


@routes.get("/v2/stocks/{symbol}/{topic:quotes|trades}/latest")
async def stock(request: web.Request) -> web.Response:
    """Show the newest quote or trade of a share."""
    return _one(request, request.match_info["topic"])


@routes.get("/v2/stocks/snapshots")
async def snapshots(request: web.Request) -> web.Response:
    """Show the newest of everything of shares."""
    world, found = request.app[WORLD], {}
    for name in [name for name in request.query.get("symbols", "").split(",") if name]:
        asset = world.market.asset(name)
        if asset is None or asset["class"] == "crypto":
            raise Refused(400, None, f"invalid symbol: {name}")
        now = world.clock.now()
        quote, trade = world.market.quote_body(name, now), world.market.trade_body(name, now)
        found[name] = {"latestTrade": trade, "latestQuote": quote}
    return answer(found)


@routes.get("/v1beta3/crypto/us/latest/{topic:quotes|trades}")
async def coins(request: web.Request) -> web.Response:
    """Show the newest quotes or trades of coins."""
    return _many(request, request.match_info["topic"], coins=True)
