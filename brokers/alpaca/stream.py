"""The stream of trade updates: it says that something happened to an order; what happened is read over REST."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any

from websockets.exceptions import WebSocketException

from brokers.alpaca.sdk import TradingStream
from brokers.alpaca.settings import AlpacaSettings
from brokers.base import StreamListener

# A peer that answers no ping for so long is gone, whatever TCP believes; the SDK by itself waits three minutes.
PING_SECONDS = 10.0
PONG_SECONDS = 10.0
CONNECTION = {"ping_interval": None, "close_timeout": 0.5, "open_timeout": 10, "max_queue": 1024}
START_SECONDS = 20.0  # connecting, opening and logging in together; the SDK waits for ever for a word on the keys
JOIN_SECONDS = 3.0


class TradeUpdates:
    """One account's stream in a thread of its own; it connects anew, with growing pauses, until it is closed."""

    def __init__(self, settings: AlpacaSettings, listener: StreamListener) -> None:
        self._stream = _TellingStream(settings, listener)
        self._thread = threading.Thread(target=self._stream.run, name="trade-updates", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._stream.end()
        self._thread.join(JOIN_SECONDS)


class _TellingStream(TradingStream):
    """The SDK's stream, which tells a listener how it fares."""

    def __init__(self, settings: AlpacaSettings, listener: StreamListener) -> None:
        super().__init__(
            settings.key_id,
            settings.secret_key,
            raw_data=True,
            url_override=settings.stream_url,
            websocket_params=dict(CONNECTION),
        )
        self._listener = listener
        self._ended = threading.Event()
        self._told_lost = False
        self._starting: asyncio.Task[None] | None = None
        self.subscribe_trade_updates(self._changed)

    def end(self) -> None:
        """Close the connection for good; may be called from any thread."""
        self._ended.set()
        loop: asyncio.AbstractEventLoop | None = self._loop
        if loop is not None and loop.is_running():
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                asyncio.run_coroutine_threadsafe(self._end(), loop)

    async def _end(self) -> None:
        await self.stop_ws()
        if self._starting is not None:
            self._starting.cancel()
        connection: Any = self._ws
        if connection is not None:
            await connection.close()  # ends a wait for the next message at once

    async def _changed(self, _update: Any) -> None:
        self._listener.changed()

    async def _dispatch(self, msg: dict[str, Any]) -> None:
        self._listener.heard()
        await super()._dispatch(msg)

    async def _start_ws(self) -> None:
        if self._ended.is_set():  # closed before the loop had begun
            await self.stop_ws()
            return
        try:
            starting = super()._start_ws()  # type: ignore[no-untyped-call]
            self._starting = asyncio.create_task(starting)
            await asyncio.wait_for(self._starting, START_SECONDS)
        except asyncio.CancelledError:
            if not self._ended.is_set():
                raise
            return
        except Exception as e:
            refused = type(e) is ValueError  # one of JSON's own is a kind of it
            self._listener.lost("Alpaca refuses the keys" if refused else f"cannot connect: {_text(e)}")
            raise
        finally:
            self._starting = None
        self._told_lost = False
        self._listener.connected()

    async def _consume(self) -> None:
        pinging = asyncio.create_task(self._ping())
        try:
            await super()._consume()  # type: ignore[no-untyped-call]
        except Exception as e:
            if not (self._ended.is_set() or self._told_lost):
                self._listener.lost(f"the connection broke: {_text(e)}")
            await self.close()  # else the SDK goes on with it after a message that it cannot read, and nobody knows
            raise
        finally:
            pinging.cancel()

    async def _ping(self) -> None:
        """Ping the peer now and then; end the connection of a peer that gives none."""
        connection: Any = self._ws
        while connection is not None:
            await asyncio.sleep(PING_SECONDS)
            try:
                await asyncio.wait_for(await connection.ping(), PONG_SECONDS)
            except WebSocketException:
                return  # who consumes the messages tells of it
            except TimeoutError:
                self._told_lost = True
                self._listener.lost(f"it is silent: no answer to a ping within {PONG_SECONDS:.0f} s")
                connection.fail_connection(1011, "no answer to a ping")
                return
            self._listener.heard()


def _text(error: Exception) -> str:
    line = (str(error) or type(error).__name__).partition("\n")[0]
    return line[:200]
