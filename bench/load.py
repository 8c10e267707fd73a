"""The load: `wrk` where it is installed, else a client in Python that needs more of the processor."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.client import post_request
from bench.raw import Raw
from bench.report import percentile
from bench.support import Failure
from config import ROOT

MARK = "@" * 18  # stands in a body where each request has its own id
GRACE = 30  # seconds after which a generator that should have ended is given up
PROCESSES = 2  # of the Python client

SCRIPT = """
local head, tail, slice = %s, %s, "%s"
local threads, sent = 0, 0
function setup(thread) thread:set("number", threads); threads = threads + 1 end
if head ~= "" then
  function request()
    sent = sent + 1
    return head .. string.format("%%s%%02d%%010d", slice, number, sent) .. tail
  end
end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format("RESULT %%d %%d %%d %%d %%d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), e.status + e.connect + e.read + e.write + e.timeout))
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What was done in one slice; latencies in milliseconds. `failed` = not answered with 2xx."""

    requests: int
    seconds: float
    p50: float
    p99: float
    failed: int

    @classmethod
    def of(cls, microseconds: Sequence[float], seconds: float, failed: int) -> Load:
        """Return the sum of single times."""
        if not microseconds:
            raise Failure("not one request was answered")
        p50, p99 = (percentile(microseconds, p) / 1000 for p in (50, 99))
        return cls(len(microseconds), seconds, p50, p99, failed)

    @property
    def rate(self) -> float:
        """Return requests a second."""
        return self.requests / self.seconds


@dataclass(frozen=True, slots=True)
class Order:
    """One slice to be done: the bytes of a request are head, slice, two and ten digits, tail."""

    url: str
    seconds: int
    head: str
    slice: str
    tail: str


class Generator:
    """Sends requests one after the other on each of a number of kept connections."""

    def __init__(self, folder: Path, connections: int) -> None:
        self._folder, self._connections = folder, connections
        self._slices = itertools.count(1)
        self._wrk = shutil.which("wrk")
        self.name = "wrk" if self._wrk else f"a Python client of {PROCESSES} processes (wrk would cost less)"

    def run(self, url: str, seconds: int, body: dict[str, Any] | None = None) -> Load:
        """Load a URL with POSTs of the body, MARK in it replaced by a new id each time; without one, with GETs."""
        head, tail = _request(url, body)
        order = Order(url, seconds, head, f"{next(self._slices):06d}", tail)
        return self._run_wrk(self._wrk, order) if self._wrk else self._run_python(order)

    def _run_wrk(self, wrk: str, order: Order) -> Load:
        script = self._folder / "load.lua"
        head = order.head if order.tail else ""  # a GET is wrk's own
        script.write_text(SCRIPT % (json.dumps(head), json.dumps(order.tail), order.slice))
        command = [wrk, "-t1", f"-c{self._connections}", f"-d{order.seconds}s", "--timeout", "10s", "-s", str(script)]
        output = _output([*command, order.url], order.seconds)
        found = [line.split()[1:] for line in output.splitlines() if line.startswith("RESULT ")]
        if not found:
            raise Failure(f"wrk says nothing of use: {output[-300:]}")
        requests, duration, p50, p99, failed = map(int, found[0])
        if not requests:
            raise Failure(f"{order.url} answered not one request")
        return Load(requests, duration / 1e6, p50 / 1000, p99 / 1000, failed)

    def _run_python(self, order: Order) -> Load:
        shares = [self._connections // PROCESSES + (n < self._connections % PROCESSES) for n in range(PROCESSES)]
        parts = urlsplit(order.url)
        running = []
        try:
            for number, share in enumerate(shares):
                if share:
                    slice_ = f"{order.slice}{number:02d}"
                    told = [parts.hostname, parts.port, share, order.seconds, order.head, slice_, order.tail]
                    command = [sys.executable, "-m", "bench.client", json.dumps(told)]
                    running.append(
                        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
                    )
            answers = [process.communicate(timeout=order.seconds + GRACE)[0] for process in running]
        finally:
            for process in running:
                process.kill()
                process.wait()
        if not all(answers):
            raise Failure("a client has failed; it says why above")
        found = [json.loads(answer) for answer in answers]
        times = [value for one in found for value in one["times"]]
        return Load.of(times, max(one["seconds"] for one in found), sum(one["failed"] for one in found))


def commits(raw: Raw, connections: int, seconds: float) -> Load:
    """Commit single rows from so many connections at once, each in a thread of its own."""
    opened = [raw.connect() for _ in range(connections)]
    taken: list[list[float]] = [[] for _ in opened]
    start = threading.Barrier(connections + 1)
    stop = threading.Event()

    def write(connection: Any, times: list[float]) -> None:
        start.wait()
        before = time.perf_counter()
        while not stop.is_set():
            raw.insert(connection)
            after = time.perf_counter()
            times.append(1e6 * (after - before))
            before = after

    threads = [threading.Thread(target=write, args=pair, daemon=True) for pair in zip(opened, taken, strict=True)]
    try:
        for thread in threads:
            thread.start()
        start.wait()
        began = time.perf_counter()
        time.sleep(seconds)
    finally:
        stop.set()
    for thread in threads:
        thread.join()
    spent = time.perf_counter() - began
    for connection in opened:
        connection.close()
    return Load.of([value for times in taken for value in times], spent, failed=0)


def _request(url: str, body: dict[str, Any] | None) -> tuple[str, str]:
    """Return the request up to the id and after it; without a body all of it is before."""
    parts = urlsplit(url)
    if body is None:
        return f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n", ""
    text = json.dumps(body)
    if text.count(MARK) != 1:
        raise ValueError("the body must hold MARK once")
    first, last = post_request(url, text).split(MARK)
    return first, last


def _output(command: Sequence[str], seconds: int) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds + GRACE, start_new_session=True, check=True
        )
    except subprocess.CalledProcessError as e:
        raise Failure(f"wrk: {e.stderr or e.stdout}") from e
    return done.stdout
