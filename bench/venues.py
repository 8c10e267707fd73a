"""The venues that a desk under test trades at: its settings, and when an order was there."""

from __future__ import annotations

import contextlib
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bench.support import HOST, START_SECONDS, Failure, Stage, free_port
from brokers.paper.store import Store
from brokers.paper.tables import orders as paper_orders
from config import Config

PAPER, ALPACA = VENUES = ("paper", "alpaca")
LIMITED = "alpaca-limited"  # the simulator that allows no more requests than Alpaca does
CASH = "1000000000000"
OFTEN = 100_000  # requests a minute: what is looked at is not the limit
RATE_LIMIT = 200  # requests a minute and key


def start_simulator(stage: Stage, name: str = "venue", rate_limit: int = OFTEN) -> str:
    """Start an Alpaca simulator that allows so many requests a minute; returns its address once it answers."""
    port = free_port()
    url = f"http://{HOST}:{port}"
    command = [sys.executable, "-m", "simulators.alpaca", "--port", str(port), "--cash", CASH]
    command += ["--rate-limit", str(rate_limit)]
    child = stage.start(name, command, {})
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        child.check()
        with contextlib.suppress(urllib.error.URLError, OSError):
            ask(url, "health")
            return url
        time.sleep(0.05)
    raise Failure("the simulator does not answer")


def settings_of(stage: Stage, venue: str, kind: str) -> dict[str, str]:
    """Return the settings of a desk that trades there."""
    if venue == PAPER:
        return {}
    url = start_simulator(stage, f"{kind}-{venue}", RATE_LIMIT if venue == LIMITED else OFTEN)
    return {"BROKER": "alpaca-sim", "ALPACA_SIMULATOR_URL": url}


def arrivals(venue: str, config: Config) -> Mapping[str, float]:
    """Return by client order id when the venue had the order, seconds since 1970."""
    if venue != PAPER:
        orders = ask(config.alpaca_simulator_url, "book")["orders"]
        return {row["client_order_id"]: datetime.fromisoformat(row["created_at"]).timestamp() for row in orders}
    store = Store(config.paper_database_url)  # paper orders fill, and last change, at once
    try:
        with store.reading() as connection:
            rows = connection.execute(sa.select(paper_orders.c.client_order_id, paper_orders.c.changed_at)).all()
        return {client_order_id: at.timestamp() for client_order_id, at in rows}
    finally:
        store.close()


def ask(url: str, what: str) -> Any:
    """Return what the simulator's control answers."""
    with urllib.request.urlopen(f"{url}/sim/{what}", timeout=5) as answer:
        return json.load(answer)
