"""The stream of trade updates: it says that something happened to an order; what happened is read over REST."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any

from brokers.alpaca.sdk import TradingStream
from brokers.alpaca.settings import AlpacaSettings
from brokers.base import StreamListener

# A peer that answers no ping for so long is gone, whatever TCP believes; the SDK by itself waits three minutes.
PING_SECONDS = 10.0
PONG_SECONDS = 10.0
CONNECTION = {"ping_interval": None, "close_timeout": 2, "open_timeout": 10, "max_queue": 1024}
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
        self._ended = False
        self.subscribe_trade_updates(self._changed)

    def end(self) -> None:
        """Close the connection for good; may be called from any thread."""
        self._ended = True
        loop: asyncio.AbstractEventLoop | None = self._loop
        if loop is not None and loop.is_running():
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                asyncio.run_coroutine_threadsafe(self._end(), loop)

    async def _end(self) -> None:
        await self.stop_ws()
        connection: Any = self._ws
        if connection is not None:
            await connection.close()  # ends a wait for the next message at once

    async def _changed(self, _update: Any) -> None:
        self._listener.changed()

    async def _dispatch(self, msg: dict[str, Any]) -> None:
        self._listener.heard()
        await super()._dispatch(msg)

    async def _start_ws(self) -> None:
        if self._ended:  # closed before the loop had begun
            await self.stop_ws()
            return
        try:
            await super()._start_ws()  # type: ignore[no-untyped-call]
        except Exception as e:
            refused = isinstance(e, ValueError)
            self._listener.lost("Alpaca refuses the keys" if refused else f"cannot connect: {_text(e)}")
            raise
        self._listener.connected()

    async def _consume(self) -> None:
        pinging = asyncio.create_task(self._ping())
        try:
            await super()._consume()  # type: ignore[no-untyped-call]
        except Exception as e:
            if not self._ended:
                self._listener.lost(f"the connection broke: {_text(e)}")
            raise
        finally:
            pinging.cancel()

    async def _ping(self) -> None:
        """Ask for a sign of life now and then; end the connection of a peer that gives none."""
        connection: Any = self._ws
        while connection is not None:
            await asyncio.sleep(PING_SECONDS)
            try:
                await asyncio.wait_for(await connection.ping(), PONG_SECONDS)
            except TimeoutError:
                self._listener.lost(f"it is silent: no answer to a ping within {PONG_SECONDS:.0f} s")
                connection.fail_connection(1011, "no answer to a ping")
                return
            self._listener.heard()


def _text(error: Exception) -> str:
    line = (str(error) or type(error).__name__).partition("\n")[0]
    return line[:200]
