"""The simulator as a program of its own: it starts, keeps its state, and ends when it is told to."""

import json
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.simulators.applying import make_application
from tests.simulators.support import Alpaca, Control, make_broker

SECONDS = 20


class Program:
    """A running `python -m simulators.alpaca`."""

    def __init__(self, root: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "simulators.alpaca", "--port", "0", *arguments]
        self.process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def url(self) -> str:
        """Return where it says that it listens."""
        while True:
            line = self._lines.get(timeout=SECONDS)
            if found := re.search(r"listening on (http://127\.0\.0\.1:\d+)", line):
                return found[1]

    def end(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """End it; returns the exit code, and how long it took."""
        began = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(SECONDS), time.monotonic() - began

    def output(self) -> list[str]:
        """Return what it has said once it has ended."""
        self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        return list(self._lines.queue)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip())


Start = Callable[..., Program]


@pytest.fixture
def start(pytestconfig: pytest.Config) -> Iterator[Start]:
    started: list[Program] = []

    def start(*arguments: str) -> Program:
        started.append(Program(pytestconfig.rootpath, *arguments))
        return started[-1]

    yield start
    for program in started:
        program.close()


def test_it_keeps_everything_over_a_restart(start: Start, tmp_path: Path):
    state = str(tmp_path / "deep" / "state.json")
    program = start("--state", state, "--fill-after", "30", "--cash", "5000.50")
    url = program.url()
    with closing(Control(url)) as control, closing(Alpaca(url, control)) as alpaca, closing(make_broker(url)) as broker:
        control.quote("AAPL", "100.01", "100.01")
        control.do("PUT", "/assets/MSFT", {"shortable": False})
        control.do("POST", "/keys", {"key": "PKOTHER", "secret": "s"})
        filled = alpaca.order(client_order_id="filled", qty="3")
        control.do("POST", "/orders/filled/fill")
        control.fault("work")
        resting = alpaca.order(client_order_id="resting", qty="1")
        customer = broker.call("POST", "/v1/accounts", make_application()).json()
        before = {path: alpaca.read(path) for path in ("/v2/positions", "/v2/account", "/v2/account/activities")}
        orders = [alpaca.again(order) for order in (filled, resting)]
    code, seconds = program.end()
    assert code == 0
    assert seconds < 3
    assert Path(state).stat().st_mode & 0o777 == 0o600

    again = start("--state", state).url()
    with (
        closing(Control(again)) as control,
        closing(Alpaca(again, control)) as alpaca,
        closing(make_broker(again)) as broker,
    ):
        assert {path: alpaca.read(path) for path in before} == before
        assert before["/v2/account"]["cash"] == "4700.47"
        assert [alpaca.again(order) for order in orders] == orders
        assert alpaca.read("/v2/stocks/AAPL/quotes/latest")["quote"]["bp"] == 100.01
        assert alpaca.read("/v2/assets/MSFT")["shortable"] is False
        assert alpaca.submit(client_order_id="filled").status_code == 422
        assert control.do("GET", "/book?key=PKOTHER")["orders"] == []
        control.advance(60)
        assert alpaca.status(resting) == "new"  # it still waits to be told
        control.do("POST", "/orders/resting/fill")
        assert alpaca.read("/v2/positions/AAPL")["qty"] == "4"
        assert broker.read(f"/v1/accounts/{customer['id']}")["status"] == "ACTIVE"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_it_ends_at_once_though_somebody_still_listens(start: Start, number: int):
    program = start()
    url = program.url()
    sockets = url.replace("http", "ws")
    with (
        connect(f"{sockets}/stream", proxy=None) as updates,
        connect(f"{sockets}/v2/iex", proxy=None) as quotes,
        closing(make_broker(url)) as broker,
        broker.call("GET", "/v1/events/accounts/status", stream=True) as events,
    ):
        assert json.loads(quotes.recv(SECONDS)) == [{"T": "success", "msg": "connected"}]
        updates.send("{}")
        assert next(events.iter_lines(chunk_size=1)) == b":heartbeat"
        code, seconds = program.end(number)
    assert code == 0
    assert seconds < 3
    assert [line for line in program.output() if "Traceback" in line or "ERROR" in line] == []


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "{}", '{"clock": {}, "quotes": {}, "rules": {}, "accounts": [{"key": 1}]}', '{"$decimal": "much"}', "\xff"],
    ids=["cut short", "a list", "empty", "an account of another shape", "no number", "no UTF-8"],
)  # fmt: skip
def test_a_broken_state_is_told_in_one_line(start: Start, tmp_path: Path, text: str):
    state = tmp_path / "state.json"
    state.write_bytes(text.encode("latin-1"))
    program = start("--state", str(state))
    (line,) = program.output()
    assert program.process.returncode == 1
    assert line.startswith(f"simulators.alpaca: cannot read the state in {state} (")
    assert state.read_bytes() == text.encode("latin-1")


def test_a_port_that_is_taken_is_told_in_one_line(start: Start):
    url = start().url()
    second = start("--port", url.rpartition(":")[2])
    (line,) = second.output()
    assert second.process.returncode == 1
    assert "address already in use" in line


@pytest.mark.parametrize("arguments", [["--cash", "much"], ["--log-level", "loud"], ["--port", "x"]], ids=str)
def test_wrong_arguments_are_told(start: Start, arguments: list[str]):
    program = start(*arguments)
    assert "error: argument" in program.output()[-1]
    assert program.process.returncode == 2
