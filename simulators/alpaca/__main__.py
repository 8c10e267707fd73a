"""`python -m simulators.alpaca --port 8790`: a venue on this machine that behaves like Alpaca."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from decimal import Decimal, InvalidOperation

from simulators.alpaca.server import HOST, start
from simulators.alpaca.store import BrokenState
from simulators.alpaca.world import Options

logger = logging.getLogger("simulators.alpaca")


def main() -> None:
    """Listen until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m simulators.alpaca", description=__doc__)
    parser.add_argument("--host", default=HOST)
    parser.add_argument("--port", type=int, default=8790, help="0 = a free one")
    parser.add_argument("--state", help="file that keeps everything over a restart")
    parser.add_argument("--fill-after", type=float, default=0.05, help="seconds until an order fills")
    parser.add_argument("--cash", type=_money, default=Decimal(1_000_000), help="dollars an account starts with")
    parser.add_argument("--rate-limit", type=int, default=200, help="requests a minute and key")
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    given = parser.parse_args()
    logging.basicConfig(level=given.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    options = Options(fill_after=given.fill_after, cash=given.cash, rate_limit=given.rate_limit, state=given.state)
    try:
        asyncio.run(_serve(options, given.host, given.port))
    except (BrokenState, OSError) as e:
        sys.exit(f"simulators.alpaca: {e}")


async def _serve(options: Options, host: str, port: int) -> None:
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    runner, chosen = await start(options, host, port)
    logger.info("listening on http://%s:%d", host, chosen)
    await end.wait()
    await runner.cleanup()


def _money(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError("must be a number") from None


if __name__ == "__main__":
    main()
