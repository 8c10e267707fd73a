"""`make demo`, against a real server and worker, and its parts."""

import os
import subprocess
import sys
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from config import ConfigError
from local.demo import register, send, table
from local.demo_desk import Stop, in_words
from local.demo_session import PAIRS, STOCKS, alert_bodies
from services import manage_secrets, manage_users
from services.registry import snapshot
from tests.conftest import free_port
from tests.factories import ADMIN_PASSWORD, PASSPHRASE, exact, make_env, make_stock

ROOT = Path(__file__).resolve().parents[2]
OUTCOMES = [
    ("201 created", "waiting", None),
    ("201 created", "waiting", None),
    ("201 created", "waiting", None),
    ("200 duplicate", "waiting", None),
    ("201 created", "waiting", None),
    ("201 created", "waiting", None),
    ("201 recorded", "canceled", "passive ticker"),
    ("201 created", "waiting", None),
    ("201 recorded", "canceled", "wrong hedge"),
    ("201 recorded", "error", "unknown ticker"),
    ("201 recorded", "error", "problematic ticker!"),
    *[("201 created", "waiting", None)] * 5,
]


class ClientDesk:
    """The desk of a test, called without a socket."""

    def __init__(self, client, headers):
        self.client, self.headers = client, headers

    def call(self, method, path, body=None):
        response = self.client.open(path, method=method, json=body, headers=self.headers)
        return response.status_code, exact(response)


@pytest.fixture
def desk(client, admin_headers):
    return ClientDesk(client, admin_headers)


def test_each_alert_gets_the_answer_it_shows(desk):
    assert register(desk) == [*(stock["symbol"] for stock in STOCKS), "MA.DEMO-V.DEMO", "KO.DEMO-PEP.DEMO"]
    rows = send(desk, PASSPHRASE)
    assert [(row["webhook"], row["status"], row["reason"]) for row in rows] == OUTCOMES
    assert rows[3]["rowid"] == rows[0]["rowid"]


def test_a_second_run_registers_nothing_and_its_alerts_are_new(desk):
    register(desk)
    first = {row["rowid"] for row in send(desk, PASSPHRASE)}
    assert register(desk) == []
    rows = send(desk, PASSPHRASE)
    assert [(row["webhook"], row["status"], row["reason"]) for row in rows] == OUTCOMES
    assert first.isdisjoint(row["rowid"] for row in rows)


def test_a_stock_that_is_registered_otherwise_is_left_alone(app, desk):
    make_stock(app, "NVDA.DEMO")  # active, but for the default account
    with pytest.raises(Stop, match=r"NVDA\.DEMO .*account is None"):
        register(desk)
    assert desk.call("GET", "/v3/stock/AAPL.DEMO")[0] == 404  # looked at first, changed nothing


def test_every_position_is_closed_at_the_end():
    last = {}
    for body in alert_bodies(PASSPHRASE, "run"):
        name = body["ticker"].replace("1.25", "1.3")
        before = last.get(name, ("flat", "0"))
        if body["signal_id"] not in last and name in {"NASDAQ:AAPL.DEMO", "NASDAQ:NVDA.DEMO", "BTCUSD.DEMO"}:
            assert (body["pre_mar_pos"], body["pre_mar_pos_size"]) == before
        last[body["signal_id"]] = last[name] = (body["mar_pos"], body["mar_pos_size"])
    traded = {stock["symbol"] for stock in STOCKS if stock["active"] == 1}
    ends = [end for name, end in last.items() if name.rpartition(":")[2] in traded or "-" in name]
    assert set(ends) == {("flat", "0")}
    assert len(ends) == len(traded) + len(PAIRS)


def test_the_table_is_aligned():
    rows = [
        {"rowid": 7, "ticker": "LNT", "action": "buy", "contracts": "100", "webhook": "201 created", "status": "filled",
         "fill price": Decimal("51.25"), "slip": Decimal("-0.05"), "reason": None},
        {"rowid": 123456, "ticker": "MA-1.3*V", "action": "sell", "contracts": "0.5", "webhook": "200 duplicate",
         "status": "error", "reason": "unknown ticker"},
    ]  # fmt: skip
    assert table(rows).splitlines() == [
        " rowid  ticker    action  contracts  webhook        status  fill price   slip  reason",
        "------  --------  ------  ---------  -------------  ------  ----------  -----  --------------",
        "     7  LNT       buy           100  201 created    filled       51.25  -0.05",
        "123456  MA-1.3*V  sell          0.5  200 duplicate  error                      unknown ticker",
    ]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"message": "Invalid Credentials!"}, "Invalid Credentials!"),
        ({"message": {"ticker": "is one", "hedge": "is another"}}, "ticker: is one; hedge: is another"),
        ({}, "no reason given"),
    ],
)
def test_a_refusal_is_one_line(answer, words):
    assert in_words(answer) == words


def test_an_added_passphrase_leaves_the_others_in_force(context):
    manage_secrets.add_passphrase("a passphrase for one run", timedelta(minutes=5))
    assert [snapshot(fresh=True).accepts(text) for text in (PASSPHRASE, "a passphrase for one run")] == [True, True]


def test_an_added_passphrase_ends(context):
    manage_secrets.add_passphrase("a passphrase for one run", timedelta(seconds=-1))
    assert not snapshot(fresh=True).accepts("a passphrase for one run")


def test_adding_the_passphrase_in_force_does_not_limit_it(context):
    manage_secrets.add_passphrase(PASSPHRASE, timedelta(seconds=-1))
    assert snapshot(fresh=True).accepts(PASSPHRASE)


def test_an_added_passphrase_must_not_be_too_easy(context):
    with pytest.raises(ConfigError, match="at least 16 characters"):
        manage_secrets.add_passphrase("webhook", timedelta(minutes=5))


def run_demo(env, *options):
    """Run the program and return exit code, output and complaints."""
    command = [sys.executable, "local/demo.py", *options]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def environment(sqlite_url, tmp_path):
    """What the demo and the worker find in the environment; the secrets of the first start are not in it."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    env = {**kept, **make_env(sqlite_url, tmp_path)}
    return {name: text for name, text in env.items() if name not in ("ADMIN_PASSWORD", "WEBHOOK_PASSPHRASE")}


def test_without_a_server_it_says_so(environment):
    port = free_port()
    code, out, complaint = run_demo({**environment, "PORT": str(port)})
    assert (code, out) == (1, "")
    assert complaint == (
        f"No desk answers at http://127.0.0.1:{port} (Connection refused). Start it with `make run`, or give --url.\n"
    )


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_it_runs_again_and_again_and_leaves_no_user(app, database_url, live_server, environment, tmp_path):
    server = live_server(database_url)
    server.wait()
    address = ("--url", server.url)
    assert run_demo(environment, *address) == (
        1, "", "The desk is not ready: worker: none is running. Start it with `make run`.\n",
    )  # fmt: skip
    with (tmp_path / "worker.log").open("wb") as log:
        worker = subprocess.Popen([sys.executable, "worker.py"], cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        wait_for_worker(app)
        code, out, complaint = run_demo(environment, *address, "--password", "not the password")
        refused = f"The desk at {server.url} refuses the log-in of 'admin': Invalid Credentials!"
        assert (code, out, complaint) == (1, "", f"{refused} Give --password.\n")
        code, out, complaint = run_demo(environment, *address, "--passphrase", "not the passphrase")
        refused = f"The desk at {server.url} refuses the passphrase: passphrase: incorrect passphrase."
        assert (code, out, complaint) == (1, "", f"{refused} Give --passphrase.\n")
        given = run_demo(environment, *address, "--password", ADMIN_PASSWORD, "--passphrase", PASSPHRASE)
        made = run_demo(environment, *address)
    finally:
        worker.terminate()
        worker.wait(20)
    for code, out, complaint in (given, made):
        assert (code, complaint) == (0, "")
        assert [out.count(word) for word in ("  filled  ", "  canceled  ", "  error  ")] == [12, 2, 2], out
    assert "Registered, and there to stay: nothing new." in made[1]
    with app.app_context():
        assert [user.username for user in manage_users.list_users(None)] == ["admin"]


def wait_for_worker(app):
    """Return once the worker was heard from."""
    end = time.monotonic() + 30
    while app.test_client().get("/readyz").status_code != 200:
        assert time.monotonic() < end, "the worker did not start"
        time.sleep(0.1)
