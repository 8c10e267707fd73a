"""The simulator as one web application: who may call, how often, and what goes wrong on the way."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiohttp import web

from simulators.alpaca import clock_api, control, data, session, store, trading
from simulators.alpaca.broker_api import customers, tokens
from simulators.alpaca.control import STREAMS
from simulators.alpaca.faults import DONE_ALL_THE_SAME, NOT_DONE, OTHERS, PAGES, Fault
from simulators.alpaca.market import coin_name
from simulators.alpaca.streams import Streams
from simulators.alpaca.trading import ACCOUNT, HIDDEN, WORLD
from simulators.alpaca.wire import Refused, answer, read_body
from simulators.alpaca.world import Options

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LIMITS: web.RequestKey[dict[str, str]] = web.RequestKey("limits", dict)
WIRE_KINDS = frozenset(NOT_DONE) | frozenset(PAGES) | frozenset(DONE_ALL_THE_SAME) | OTHERS
STREAM = re.compile(r"/stream|/v2/(iex|sip|delayed_sip|otc)|/v1beta3/crypto/us")  # the keys come in a message
TICK = 0.005
QUOTES_EVERY = 1.0
MINUTE = 60.0


def make_app(options: Options) -> web.Application:
    """Return the application, with the state that was kept where there is some."""
    world = store.load(options)
    app = web.Application(middlewares=[_refusals, _count, _keys, _faults])
    app[WORLD], app[STREAMS], app[_WINDOWS] = world, Streams(world), {}
    world.listener = app[STREAMS].tell
    for part in (trading, clock_api, data, control, customers, tokens):
        app.router.add_routes(part.routes)
    app.router.add_get("/stream", app[STREAMS].trade_updates)
    app.router.add_get("/v2/{feed:iex|sip|delayed_sip|otc}", app[STREAMS].data)
    app.router.add_get("/v1beta3/crypto/us", app[STREAMS].data)
    app.cleanup_ctx.append(_background)
    return app


async def _background(app: web.Application) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(step(app)) for step in (_tick, _tell_market)]
    yield
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError):
            await task
    store.save(app[WORLD])


async def _tick(app: web.Application) -> None:
    """Let what falls due happen, and keep the state."""
    world, saved = app[WORLD], time.monotonic()
    session.follow(world)
    world.engine.resume(world.everyone())
    customers.resume(world)
    while True:
        world.engine.run_due()
        session.follow(world)
        if world.dirty and time.monotonic() - saved > 0.2:
            store.save(world)
            saved = time.monotonic()
        await asyncio.sleep(TICK)


async def _tell_market(app: web.Application) -> None:
    while True:
        app[STREAMS].tell_market()
        await asyncio.sleep(QUOTES_EVERY)


@web.middleware
async def _refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refused as e:
        response: web.StreamResponse = e.response()
    except web.HTTPException as e:
        response = answer({"message": e.reason.lower()}, e.status)
    for name, value in request.get(LIMITS, {}).items():
        response.headers[name] = value
    return response


@web.middleware
async def _count(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count requests, and those of a key within the minute."""
    world = request.app[WORLD]
    if not request.path.startswith("/sim"):
        route = request.match_info.route.resource
        world.requests[f"{request.method} {route.canonical if route else request.path}"] += 1
    if not request.path.startswith(("/v2/", "/v3/")) or STREAM.fullmatch(request.path):
        return await handler(request)
    windows: dict[str, tuple[float, int]] = request.app[_WINDOWS]
    key = request.headers.get("APCA-API-KEY-ID", "")
    reset, used = windows.get(key, (0.0, 0))
    if time.time() >= reset:
        reset, used = time.time() + MINUTE, 0
    windows[key] = (reset, used + 1)
    left = world.options.rate_limit - used - 1
    request[LIMITS] = _limits(world.options.rate_limit, left, reset)
    if left < 0:
        raise Refused(429, None, "too many requests.")
    response = await handler(request)
    if not response.prepared:
        response.headers.update(request[LIMITS])
    return response


_WINDOWS: web.AppKey[dict[str, tuple[float, int]]] = web.AppKey("windows", dict)


def _limits(limit: int, left: int, reset: float) -> dict[str, str]:
    figures = {"Limit": limit, "Remaining": max(0, left), "Reset": int(reset)}
    return {f"X-RateLimit-{name}": str(value) for name, value in figures.items()}


@web.middleware
async def _keys(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a request pass whose keys are right."""
    world, path = request.app[WORLD], request.path
    if path.startswith("/sim"):
        if request.remote not in ("127.0.0.1", "::1"):
            raise Refused(403, None, "the control answers this machine only")
    elif path.startswith("/v1/") and path != tokens.ADDRESS:
        if not world.is_broker(request.headers.get("Authorization")):
            raise Refused(401, None, "unauthorized.")
    elif path.startswith(("/v2/", "/v3/", "/v1beta3/")) and not STREAM.fullmatch(path):
        account = world.find(request.headers.get("APCA-API-KEY-ID"), request.headers.get("APCA-API-SECRET-KEY"))
        if account is None:
            raise Refused(401, None, "unauthorized.")
        request[ACCOUNT] = account
    return await handler(request)


@web.middleware
async def _faults(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Do what the control has told to go wrong with this request."""
    if request.path.startswith("/sim") or STREAM.fullmatch(request.path):
        return await handler(request)
    world, symbol = request.app[WORLD], await _symbol_of(request)
    fault = world.faults.take(WIRE_KINDS, request.method, request.path, symbol)
    if fault is None:
        return await handler(request)
    if (status := NOT_DONE.get(fault.kind)) is not None:
        raise Refused(status, None, "internal server error occurred" if status == 500 else "please try again")
    if (status := PAGES.get(fault.kind)) is not None:
        page = f"<html><body><h1>{status}</h1></body></html>"
        return web.Response(text=page, status=status, content_type="text/html")
    if fault.kind == "unauthorized":
        raise Refused(401, None, "unauthorized.")
    if fault.kind == "rate_limit":
        limit = world.options.rate_limit
        request[LIMITS] = _limits(limit, 0, time.time() + (fault.seconds or 5))
        raise Refused(429, None, "too many requests.")
    if fault.kind == "drop_before":
        return _cut(request)
    if fault.kind == "late":
        return await _late(request, fault)
    return await _after(request, handler, fault)


async def _after(request: web.Request, handler: Handler, fault: Fault) -> web.StreamResponse:
    if fault.kind == "hidden":
        request[HIDDEN] = fault
    response = await handler(request)
    if (status := DONE_ALL_THE_SAME.get(fault.kind)) is not None:
        raise Refused(status, None, "internal server error occurred")
    if fault.kind == "delay":
        await asyncio.sleep(fault.seconds)
    elif fault.kind == "garbage":
        return web.Response(text='{"id": "', content_type="application/json")
    elif fault.kind == "wrong_order" and isinstance(response, web.Response):
        body = json.loads(response.text or "{}")
        return answer({**body, "id": "0" * 8 + body.get("id", "")[8:], "client_order_id": "somebody-else"})
    elif fault.kind == "trickle" and isinstance(response, web.Response):
        return await _trickle(request, response)
    elif fault.kind in ("drop_after", "hidden"):
        return _cut(request)
    return response


async def _late(request: web.Request, fault: Fault) -> web.StreamResponse:
    """Cut the connection now, and take the order later."""
    world, account, body = request.app[WORLD], request.get(ACCOUNT), await request.text()

    def arrive() -> None:
        with contextlib.suppress(Refused):  # nobody hears of a refusal any more
            assert account is not None
            trading.submit(world, account, read_body(body))

    world.engine.later(fault.seconds, arrive)
    return _cut(request)


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _trickle(request: web.Request, response: web.Response) -> web.StreamResponse:
    slow = web.StreamResponse(status=response.status, headers={"Content-Type": "application/json"})
    await slow.prepare(request)
    for letter in response.text or "":
        await slow.write(letter.encode())
        await asyncio.sleep(1)
    return slow


async def _symbol_of(request: web.Request) -> str | None:
    if request.method == "POST" and request.path == "/v2/orders":
        with contextlib.suppress(ValueError, AttributeError):
            symbol: Any = json.loads(await request.text()).get("symbol")
            return (coin_name(symbol) or symbol) if isinstance(symbol, str) else None
    if request.method == "DELETE" and ACCOUNT in request:
        order = request[ACCOUNT].orders.get(request.path.rpartition("/")[2])
        return order.symbol if order else None
    return None
