"""The benchmarks run and clean up; what they measure is not looked at here."""

import importlib
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.load import MARK, Generator
from bench.report import Spread, percentile, ratios
from tests.support.left_out import require
from tests.support.pgcluster import find_binaries

PROGRAMS = ("webhook", "latency", "lists")


class Server(ThreadingHTTPServer):
    """Answers 201, and every tenth request 500; remembers the bodies."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        bodies = self.server.bodies
        bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(500 if len(bodies) % 10 == 0 else 201)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("with_wrk", [True, False], ids=["wrk", "python"])
def test_a_load_has_new_ids_only_and_counts_what_failed(server, tmp_path, monkeypatch, with_wrk):
    if with_wrk:
        generator = Generator(tmp_path, 3)
        require("wrk", generator.name == "wrk", "apt install wrk")
    else:
        monkeypatch.setattr("shutil.which", lambda name: None)
        generator = Generator(tmp_path, 3)
    url = f"http://127.0.0.1:{server.server_port}/x"
    loads = [generator.run(url, 1, {"signal_id": MARK, "text": '50 % of "it"'}) for _ in range(2)]
    bodies = [json.loads(body) for body in server.bodies]
    assert {body["text"] for body in bodies} == {'50 % of "it"'}
    assert len({body["signal_id"] for body in bodies}) == len(bodies)
    answered = sum(load.requests for load in loads)
    assert answered <= len(bodies) <= answered + 2 * 3
    assert abs(sum(load.failed for load in loads) - answered / 10) <= 2


def test_figures():
    assert [percentile([3, 1, 2, 4], p) for p in (1, 50, 75, 100)] == [1, 2, 3, 4]
    assert ratios([2.0, 6.0, 9.0], [1.0, 2.0, 1.0]) == Spread(3.0, 2.0, 9.0)


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_program_explains_itself(name, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", [name, "--help"])
    with pytest.raises(SystemExit) as end:
        importlib.import_module(f"bench.{name}").main()
    assert end.value.code == 0
    assert f"usage: python -m bench.{name}" in capsys.readouterr().out


def run_all(*orders, root):
    """Run programs side by side and return their outputs."""
    command = [sys.executable, "-m"]
    started = [
        subprocess.Popen(
            [*command, *order.split()], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for order in orders
    ]
    outputs = [process.communicate(timeout=100)[0] for process in started]
    assert [
        (process.returncode, output) for process, output in zip(started, outputs, strict=True) if process.returncode
    ] == []
    return outputs


def test_alerts_on_sqlite(pytestconfig):
    webhook, latency, throughput = run_all(
        "bench.webhook --quick --database sqlite",
        "bench.latency --quick --database sqlite",
        "bench.throughput --quick --database sqlite",
        root=pytestconfig.rootpath,
    )
    assert "webhook / bare view" in webhook
    assert "signal filled" in latency
    assert "raw commits in the time of a signal" in throughput


@pytest.mark.postgres
def test_lists_on_both_databases(pytestconfig):
    require("PostgreSQL", find_binaries() is not None, "install it, or set PG_BIN")
    (output,) = run_all("bench.lists --quick", root=pytestconfig.rootpath)
    assert output.count("next order to send") == 2
