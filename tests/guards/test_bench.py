"""The benchmarks run and clean up; what they measure is not looked at here."""

import importlib
import json
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import sqlalchemy as sa

from bench.backlog import TABLE, Backlog, Name, pair_names, register, stock_names
from bench.client import post_request
from bench.cpu import cpu_seconds
from bench.load import MARK, Generator
from bench.outcome import wait_until_filled
from bench.report import Spread, percentile, ratios
from bench.sender import WEBHOOK, by_rowid, send
from bench.support import POSTGRESQL, SQLITE, Failure, Stage, make_desk
from extensions import db
from tests.support.apps import close_app
from tests.support.left_out import require
from tests.support.pgcluster import find_binaries

PROGRAMS = ("webhook", "latency", "throughput", "burst", "lists")
RUN_SECONDS = 240  # for programs that run side by side on a busy machine
LATE = 0.5  # seconds


class Server(ThreadingHTTPServer):
    """Answers 201 with a row's number, every tenth request with 500; remembers the bodies, and who waited at once.

    A body of `late` is answered late, and one of `broken` not at all: its connection is closed.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies = []
        self.lock = threading.Lock()
        self.waiting = self.most_waiting = 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/x"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        server, body = self.server, self.rfile.read(int(self.headers["Content-Length"]))
        with server.lock:
            server.bodies.append(body)
            number = len(server.bodies)
            server.waiting += 1
            server.most_waiting = max(server.most_waiting, server.waiting)
        if body == b'"late"':
            time.sleep(LATE)
        with server.lock:
            server.waiting -= 1
        if body == b'"broken"':
            self.close_connection = True
            return
        answer = json.dumps({"rowid": number}).encode()
        self.send_response(500 if number % 10 == 0 else 201)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

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
    loads = [generator.run(server.url, 1, {"signal_id": MARK, "text": '50 % of "it"'}) for _ in range(2)]
    bodies = [json.loads(body) for body in server.bodies]
    assert {body["text"] for body in bodies} == {'50 % of "it"'}
    assert len({body["signal_id"] for body in bodies}) == len(bodies)
    answered = sum(load.requests for load in loads)
    assert answered <= len(bodies) <= answered + 2 * 3
    assert abs(sum(load.failed for load in loads) - answered / 10) <= 2


def requests_of(server, bodies):
    return [post_request(server.url, json.dumps(body)).encode() for body in bodies]


def test_alerts_go_at_their_time_and_answers_keep_their_order(server):
    began = time.monotonic()
    answers = send(server.url, requests_of(server, ["late", *"abcdefghijk"]), 50, 4)
    spent = time.monotonic() - began
    assert spent >= answers[0].seconds >= LATE
    assert answers[5].answered_at < answers[0].answered_at  # none waits for a late one
    assert answers == sorted(answers, key=lambda answer: answer.sent_at)
    assert answers[-1].sent_at - answers[0].sent_at >= 11 / 50 - 0.01
    assert [answer.status for answer in answers].count(500) == 1
    assert len(by_rowid(answers)) == 11
    assert by_rowid(answers[3:4]) == {json.loads(answers[3].body)["rowid"]: answers[3]}


def test_no_more_requests_are_on_their_way_than_there_are_connections(server):
    answers = send(server.url, requests_of(server, ["late"] * 6), 1000, 3)
    assert [answer.status for answer in answers] == [201] * 6
    assert server.most_waiting == 3
    assert answers[-1].sent_at - answers[0].sent_at >= LATE  # it had to wait, and its own clock began then
    assert LATE <= answers[-1].seconds < 2 * LATE


def test_a_broken_connection_is_told_and_replaced(server):
    answers = send(server.url, requests_of(server, ["a", "broken", "b", "broken", "c"]), 20, 1)
    assert [answer.status for answer in answers] == [201, 0, 201, 0, 201]
    assert len(by_rowid(answers)) == 3


def test_the_cpu_time_of_those_that_have_ended_counts():
    burn = "import time\nwhile time.process_time() < 0.4: pass"
    wait = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}]); print(flush=True); input()"
    command = [sys.executable, "-c", wait]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        assert 0.35 < cpu_seconds(process.pid) < 3
        process.stdin.close()


@pytest.fixture(params=[SQLITE, pytest.param(POSTGRESQL, marks=pytest.mark.postgres)])
def desk(request, tmp_path):
    """A desk with stocks and pairs, and without processes."""
    stage = Stage(tmp_path, durable=False)
    if request.param == POSTGRESQL:
        stage._cluster = request.getfixturevalue("cluster")  # it outlives this test
        stage.cluster.drop_database("bench")
    desk = make_desk(stage, request.param, "bench")
    register(desk, [*stock_names(3), *pair_names(3)], passive=["QUIET"])
    yield desk
    close_app(desk.app)


def stored_row(desk, rowid):
    with desk.app.app_context():
        return dict(db.session.execute(sa.select(TABLE).where(TABLE.c.id == rowid)).mappings().one())


@pytest.mark.parametrize("names", [stock_names(3), pair_names(3)], ids=["stocks", "pairs"])
def test_what_waits_is_what_the_desk_itself_stores(desk, names):
    backlog = Backlog.after(desk, names[0])
    stored = backlog.store(names[1:], "many")
    assert len(stored.rowids) == 2
    assert abs(stored.at - time.time()) < 5
    copy = stored_row(desk, stored.rowids[1])
    answer = desk.app.test_client().post(WEBHOOK, json=desk.alert(names[2].ticker, "single"))
    own = stored_row(desk, answer.get_json()["rowid"])
    assert own["status"] == "waiting"
    assert {column for column in own if own[column] != copy[column]} == {
        "id", "received_at", "last_seen_at", "dedupe_key", "body_sha256",
        "position_size", "previous_position", "previous_position_size",  # each alert leads a step further
    }  # fmt: skip
    assert (own["dedupe_key"], copy["dedupe_key"]) == ("id:single", "id:many-1")
    assert abs((own["received_at"] - copy["received_at"]).total_seconds()) < 5


def test_an_alert_on_a_passive_stock_is_no_work(desk):
    answer = desk.app.test_client().post(WEBHOOK, json=desk.alert(Name("QUIET").ticker, "probe"))
    assert answer.status_code == 201
    assert stored_row(desk, answer.get_json()["rowid"])["status"] == "canceled"


def test_a_signal_that_ends_without_a_fill_ends_the_wait(desk):
    stored = Backlog.after(desk, stock_names(1)[0]).store(stock_names(2), "lost")
    with pytest.raises(Failure, match="of 2 signals 2 waiting after 0 s"):
        wait_until_filled(desk, stored.rowids, [], 0)
    with desk.app.app_context(), db.engine.begin() as connection:
        connection.execute(sa.update(TABLE).where(TABLE.c.id == stored.rowids[0]).values(status="filled"))
    wait_until_filled(desk, stored.rowids[:1], [], 0)
    with desk.app.app_context(), db.engine.begin() as connection:
        lost = sa.update(TABLE).where(TABLE.c.id == stored.rowids[1])
        connection.execute(lost.values(status="error", error_text="no money"))
    with pytest.raises(Failure, match=f"signal {stored.rowids[1]}: no money"):
        wait_until_filled(desk, stored.rowids, [], 5)


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
    outputs = [process.communicate(timeout=RUN_SECONDS)[0] for process in started]
    assert [
        (process.returncode, output) for process, output in zip(started, outputs, strict=True) if process.returncode
    ] == []
    return outputs


@pytest.mark.timeout(RUN_SECONDS + 30)
def test_alerts_on_sqlite(pytestconfig):
    webhook, latency = run_all(
        "bench.webhook --quick --database sqlite",
        "bench.latency --quick --database sqlite",
        root=pytestconfig.rootpath,
    )
    assert "webhook / bare view" in webhook
    assert "signal filled" in latency


@pytest.mark.timeout(RUN_SECONDS + 30)
def test_many_signals_on_sqlite(pytestconfig):
    throughput, burst = run_all(
        "bench.throughput --quick --database sqlite",
        "bench.burst --quick --database sqlite --venue paper",
        root=pytestconfig.rootpath,
    )
    assert "raw commits in the time of a signal" in throughput
    assert "sqlite, pairs" in throughput
    assert "10: at the venue after the answer" in burst
    assert "sqlite, while 40 signals are worked off" in burst


@pytest.mark.postgres
@pytest.mark.timeout(RUN_SECONDS + 30)
def test_many_signals_on_postgresql(pytestconfig):
    require("PostgreSQL", find_binaries() is not None, "install it, or set PG_BIN")
    throughput, burst = run_all(
        "bench.throughput --quick --database postgresql",
        "bench.burst --quick --database postgresql --venue alpaca-limited",
        root=pytestconfig.rootpath,
    )
    assert throughput.count("postgresql, stocks") == 2  # with one worker, and with two
    assert "POST /v2/orders" in burst


@pytest.mark.postgres
def test_lists_on_both_databases(pytestconfig):
    require("PostgreSQL", find_binaries() is not None, "install it, or set PG_BIN")
    (output,) = run_all("bench.lists --quick", root=pytestconfig.rootpath)
    assert output.count("next order to send") == 2
