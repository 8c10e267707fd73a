"""The two web sockets: trade updates, and market data."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgpack
from aiohttp import WSMsgType, web

from simulators.alpaca.market import coin_name
from simulators.alpaca.world import World

KEEP = 5000  # messages that wait for a slow client
FREE_SYMBOLS = 30  # of the free plan, trades and quotes each
AUTH_SECONDS = 10.0


@dataclass(eq=False)
class Connection:
    """One client; messages wait in its queue. `binary`: JSON in binary frames, `packed`: MessagePack."""

    ws: web.WebSocketResponse
    kind: str
    key: str = ""
    binary: bool = False
    packed: bool = False
    listening: bool = False
    wanted: dict[str, set[str]] = field(default_factory=lambda: {"trades": set(), "quotes": set(), "bars": set()})
    queue: asyncio.Queue[Any] = field(default_factory=lambda: asyncio.Queue(KEEP))

    async def send(self, message: Any) -> None:
        """Send a message in the form this client reads."""
        if self.packed:
            await self.ws.send_bytes(msgpack.packb(message, default=_timestamp))
        elif self.binary:
            await self.ws.send_bytes(json.dumps(message, default=_text).encode())
        else:
            await self.ws.send_str(json.dumps(message, default=_text))

    def put(self, message: Any) -> None:
        """Let a message wait to be sent; a client that is too slow is cut off."""
        try:
            self.queue.put_nowait(message)
        except asyncio.QueueFull:
            asyncio.get_running_loop().create_task(self.ws.close())


class Streams:
    """All connections, and what the control does to them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.open: set[Connection] = set()
        self.silent_until = 0.0
        self.refuse_until = 0.0

    def tell(self, key: str, event: dict[str, Any], times: int = 1) -> None:
        """Send an event of an account to all who listen to it."""
        for connection in self.open:
            if connection.kind == "trade_updates" and connection.listening and connection.key == key:
                for _ in range(times):
                    connection.put({"stream": "trade_updates", "data": event})

    def tell_market(self, symbol: str | None = None) -> None:
        """Send quotes and trades to those who asked for them: of one symbol, or of all."""
        market, now = self.world.market, self.world.clock.now()
        for connection in [c for c in self.open if c.kind == "data"]:
            messages = []
            for topic, letter in (("quotes", "q"), ("trades", "t")):
                every = "*" in connection.wanted[topic]
                names = connection.wanted[topic] - {"*"} | (set(market.listed()) if every else set())
                for name in sorted(names if symbol is None else names & {symbol}):
                    if market.asset(name) is None:
                        continue  # whoever asks for what does not exist hears nothing of it
                    body = market.quote_body(name, now) if letter == "q" else market.trade_body(name, now)
                    messages.append({"T": letter, "S": name, **body, "t": now})
            if messages:
                connection.put(messages)

    async def drop_all(self) -> int:
        """Cut all connections; returns how many there were."""
        found = list(self.open)
        for connection in found:
            transport = connection.ws._req.transport if connection.ws._req else None
            if transport is not None:
                transport.abort()
        return len(found)

    async def trade_updates(self, request: web.Request) -> web.StreamResponse:
        """Serve /stream."""
        if time.monotonic() < self.refuse_until:
            return web.Response(status=429, text="too many requests")
        packed = request.headers.get("Content-Type") == "application/msgpack"
        connection = await self._begin(request, "trade_updates", packed=packed)
        async for message in self._messages(connection):
            action, data = message.get("action"), message.get("data") or {}
            if not isinstance(data, dict):
                continue
            if action in ("authenticate", "auth"):
                key = str(data.get("key_id") or message.get("key") or "")
                known = self.world.find(key, str(data.get("secret_key") or message.get("secret") or ""))
                connection.key, connection.binary = key if known else "", key.startswith("PK")
                status = "authorized" if known else "unauthorized"
                await connection.send({"stream": "authorization", "data": {"status": status, "action": "authenticate"}})
                if not known:
                    await connection.ws.close()
            elif action == "listen" and connection.key:
                streams = [name for name in data.get("streams") or [] if name == "trade_updates"]
                connection.listening = bool(streams)
                await connection.send({"stream": "listening", "data": {"streams": streams}})
            elif action == "listen":
                refusal = {"status": "unauthorized", "action": "listen"}
                await connection.send({"stream": "authorization", "data": refusal})
        return connection.ws

    async def data(self, request: web.Request) -> web.StreamResponse:
        """Serve the market data stream: /v2/{feed} and the coins' one."""
        packed = request.headers.get("Content-Type") == "application/msgpack"
        connection = await self._begin(request, "data", packed=packed)
        await connection.send([{"T": "success", "msg": "connected"}])
        asyncio.get_running_loop().call_later(AUTH_SECONDS, self._check_auth, connection)
        free = request.match_info.get("feed") == "iex"
        async for message in self._messages(connection):
            reply = self._data_message(connection, message, free=free)
            await connection.send([reply])
            if reply.get("code") in (402, 406):
                await connection.ws.close()
        return connection.ws

    def _data_message(self, connection: Connection, message: dict[str, Any], *, free: bool) -> dict[str, Any]:
        action = message.get("action")
        if action == "auth":
            if connection.key:
                return _error(403, "already authenticated")
            if self.world.find(str(message.get("key")), str(message.get("secret"))) is None:
                return _error(402, "auth failed")
            if any(c.kind == "data" and c.key == message["key"] for c in self.open):
                return _error(406, "connection limit exceeded")
            connection.key = message["key"]
            return {"T": "success", "msg": "authenticated"}
        if not connection.key:
            return _error(401, "not authenticated")
        if action not in ("subscribe", "unsubscribe"):
            return _error(400, "invalid syntax")
        if not all(_is_list_of_names(message.get(topic)) for topic in connection.wanted):
            return _error(400, "invalid syntax")
        for topic, names in connection.wanted.items():
            asked = {coin_name(name) or name for name in message.get(topic) or []}
            after = names | asked if action == "subscribe" else names - asked
            if free and topic != "bars" and len(after) > FREE_SYMBOLS:
                return _error(405, "symbol limit exceeded")
            connection.wanted[topic] = after
        lists = {topic: sorted(names) for topic, names in connection.wanted.items()}
        return {
            "T": "subscription",
            **lists,
            "updatedBars": [],
            "dailyBars": [],
            "statuses": [],
            "lulds": [],
            "corrections": lists["trades"],
            "cancelErrors": lists["trades"],
        }

    def _check_auth(self, connection: Connection) -> None:
        if connection in self.open and not connection.key:
            connection.put([_error(404, "auth timeout")])
            asyncio.get_running_loop().call_later(0.1, lambda: asyncio.ensure_future(connection.ws.close()))

    async def _begin(self, request: web.Request, kind: str, *, packed: bool) -> Connection:
        ws = web.WebSocketResponse(autoping=False, heartbeat=None)
        await ws.prepare(request)
        connection = Connection(ws, kind, packed=packed)
        self.open.add(connection)
        return connection

    async def _messages(self, connection: Connection) -> Any:
        """Yield what the client says, while what waits for it is sent."""
        sending = asyncio.create_task(self._send_waiting(connection))
        try:
            async for raw in connection.ws:
                if raw.type is WSMsgType.PING:
                    if time.monotonic() >= self.silent_until:
                        await connection.ws.pong(raw.data)
                elif raw.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    message = _read(raw.data, packed=connection.packed and raw.type is WSMsgType.BINARY)
                    if isinstance(message, dict):
                        yield message
                    elif connection.kind == "data":
                        await connection.send([_error(400, "invalid syntax")])
        finally:
            sending.cancel()
            self.open.discard(connection)

    async def _send_waiting(self, connection: Connection) -> None:
        while True:
            message = await connection.queue.get()
            while time.monotonic() < self.silent_until:
                await asyncio.sleep(0.05)
            with contextlib.suppress(ConnectionError):  # the client has gone; its reader ends by itself
                await connection.send(message)


def _read(data: Any, *, packed: bool) -> Any:
    try:
        return msgpack.unpackb(data) if packed else json.loads(data)
    except (ValueError, msgpack.UnpackException):
        return None


def _is_list_of_names(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(name, str) for name in value))


def _error(code: int, text: str) -> dict[str, Any]:
    return {"T": "error", "code": code, "msg": text}


def _timestamp(value: Any) -> Any:
    if isinstance(value, datetime):
        return msgpack.Timestamp.from_datetime(value)
    raise TypeError(type(value).__name__)


def _text(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    raise TypeError(type(value).__name__)
