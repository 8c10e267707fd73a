"""Running the simulator: as a program of its own, or in a thread of a test."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from aiohttp import web

from simulators.alpaca.app import make_app
from simulators.alpaca.world import Options

HOST = "127.0.0.1"
START_SECONDS = 10.0


async def start(options: Options, host: str, port: int) -> tuple[web.AppRunner, int]:
    """Listen; returns what has to be cleaned up, and the port."""
    runner = web.AppRunner(make_app(options), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner, int(runner.addresses[0][1])


class Running:
    """A simulator in a thread with a loop of its own."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._runner: web.AppRunner | None = None
        self.url = ""
        self._thread = threading.Thread(target=self._run, name="alpaca-simulator", daemon=True)
        self._thread.start()
        if not self._ready.wait(START_SECONDS):
            raise TimeoutError("the simulator did not start")

    @property
    def app(self) -> web.Application:
        """Return its application."""
        assert self._runner is not None
        app = self._runner.app
        assert isinstance(app, web.Application)
        return app

    def close(self) -> None:
        """Stop it."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_SECONDS)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._runner, port = self._loop.run_until_complete(start(self._options, HOST, 0))
        self.url = f"http://{HOST}:{port}"
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._runner.cleanup())
        self._loop.run_until_complete(_end_the_rest())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


async def _end_the_rest() -> None:
    """Cancel what still answers somebody: a delay, a byte a second."""
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)


def run_in_thread(**options: Any) -> Running:
    """Start a simulator on a free port of this machine."""
    return Running(Options(**options))
