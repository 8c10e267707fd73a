"""The load: alerts as TradingView sends them, each delivered one to four times at once and again after errors."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

import requests

SENDERS = 3
MOST_COPIES = 4
RESENDS = 4
RESEND_AFTER = 0.7  # seconds, doubled each time
TIMEOUT = 10
OK = (200, 201)


@dataclass
class Sent:
    """One alert and what became of its deliveries; times in seconds since 1970."""

    signal_id: str
    body: dict[str, Any]
    first_at: float = field(default_factory=time.time)
    rowids: set[int] = field(default_factory=set)
    created: int = 0  # answers 201
    repeats: int = 0  # answers 200
    failed_at: list[float] = field(default_factory=list)
    acknowledged_at: float | None = None


class Senders:
    """Threads that send alerts until told to stop."""

    def __init__(self, url: str, bodies: Iterator[dict[str, Any]], rng: random.Random, pace: float) -> None:
        self.sent: list[Sent] = []
        self.statuses: dict[int, int] = {}  # answers by status; 0 = none came
        self._url, self._bodies, self._rng, self._pace = f"{url}/v3/webhook", bodies, rng, pace
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._pool = ThreadPoolExecutor(SENDERS * MOST_COPIES, thread_name_prefix="delivery")
        self._local = threading.local()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(SENDERS)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End when every delivery that was begun has come to its end."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._pool.shutdown()

    def _run(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                body = next(self._bodies)
                copies = self._rng.randint(1, MOST_COPIES)
                pause = self._rng.uniform(0.5, 1.5) * self._pace * SENDERS
                sent = Sent(body["signal_id"], body)
                self.sent.append(sent)
            wait([self._pool.submit(self._deliver, sent) for _ in range(copies)])
            self._stop.wait(pause)

    def _deliver(self, sent: Sent) -> None:
        for attempt in range(RESENDS + 1):
            status, rowid = self._post(sent.body)
            with self._lock:
                self.statuses[status] = self.statuses.get(status, 0) + 1
                if status in OK:
                    sent.rowids.add(rowid)
                    sent.created += status == 201
                    sent.repeats += status == 200
                    sent.acknowledged_at = sent.acknowledged_at or time.time()
                    return
                sent.failed_at.append(time.time())
            time.sleep(RESEND_AFTER * 2**attempt)

    def _post(self, body: dict[str, Any]) -> tuple[int, int]:
        session = getattr(self._local, "session", None) or requests.Session()
        self._local.session = session
        try:
            answer = session.post(self._url, json=body, timeout=TIMEOUT)
            return answer.status_code, answer.json()["rowid"] if answer.status_code in OK else 0
        except (requests.RequestException, ValueError, KeyError):
            session.close()
            self._local.session = None
            return 0, 0


def bodies(tickers: Sequence[str], passphrase: str, run: str, rng: random.Random) -> Iterator[dict[str, Any]]:
    """Yield alerts without end: each ticker enters long or short, and exits, in turns."""
    held = dict.fromkeys(tickers, 0)
    number = 0
    while True:
        number += 1
        ticker = rng.choice(tickers)
        before = held[ticker]
        after = 0 if before else rng.choice([-1, 1]) * rng.randint(2, 20) * 5
        held[ticker] = after
        yield {
            "passphrase": passphrase,
            "ticker": ticker,
            "order_action": "buy" if after > before else "sell",
            "order_contracts": str(abs(after - before)),
            "order_price": f"{rng.randint(2000, 9000) / 100:.2f}",
            "mar_pos": _position(after),
            "mar_pos_size": str(abs(after)),
            "pre_mar_pos": _position(before),
            "pre_mar_pos_size": str(abs(before)),
            "order_comment": "Entry" if after else "Exit",
            "signal_id": f"{run}-{number}",
            "bar_time": "2025-06-02T13:30:00Z",
        }


def _position(size: int) -> str:
    return "long" if size > 0 else "short" if size < 0 else "flat"
