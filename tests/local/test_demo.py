"""`make demo`, against a real server and worker, and its parts."""

import os
import secrets
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
from local.demo_rehearsal import BID
from local.demo_session import (
    AFTER_THE_STOP,
    BROKEN,
    FOREIGN,
    HELD,
    PAIRS,
    ROUGH,
    SESSION,
    STOCKS,
    alert_bodies,
    exit_of_last_run,
)
from services.catalog.snapshots import snapshot
from services.execution import stops
from services.identity import passphrases, users
from services.reports.account_views import list_accounts
from services.reports.order_queries import FillFilter, list_fills
from services.reports.position_queries import PositionFilter, list_positions
from tests.conftest import free_port
from tests.support.factories import ADMIN_PASSWORD, PASSPHRASE, exact, make_env, make_stock

ROOT = Path(__file__).resolve().parents[2]
NAMES = [f"{pair['ticker1']}-{pair['ticker2']}" for pair in PAIRS]
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
    *[("201 created", "waiting", None)] * 9,
]


def new_run():
    return secrets.token_hex(6)


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
    assert register(desk) == [*(stock["symbol"] for stock in STOCKS), *NAMES]
    rows = send(desk, alert_bodies(PASSPHRASE, new_run()))
    assert [(row["webhook"], row["status"], row["reason"]) for row in rows] == OUTCOMES
    assert rows[3]["rowid"] == rows[0]["rowid"]


def test_a_second_run_registers_nothing_and_its_alerts_are_new(desk):
    register(desk)
    first = {row["rowid"] for row in send(desk, alert_bodies(PASSPHRASE, new_run()))}
    assert register(desk) == []
    rows = send(desk, alert_bodies(PASSPHRASE, new_run()))
    assert [(row["webhook"], row["status"], row["reason"]) for row in rows] == OUTCOMES
    assert first.isdisjoint(row["rowid"] for row in rows)


def test_a_stock_that_is_registered_otherwise_is_left_alone(app, desk):
    make_stock(app, "NVDA.DEMO")  # active, but for the default account
    with pytest.raises(Stop, match=r"NVDA\.DEMO .*account is None"):
        register(desk)
    assert desk.call("GET", "/v3/stock/AAPL.DEMO")[0] == 404  # looked at first, changed nothing


def test_every_position_is_closed_at_the_end_but_the_one_that_the_next_run_closes():
    last = {}
    for body in alert_bodies(PASSPHRASE, "run", [*SESSION, *ROUGH, *AFTER_THE_STOP]):
        name = body["ticker"].replace("1.25", "1.3")
        before = last.get(name, ("flat", "0"))
        if body["signal_id"] not in last and name in {"NASDAQ:AAPL.DEMO", "NASDAQ:NVDA.DEMO", "BTCUSD.DEMO"}:
            assert (body["pre_mar_pos"], body["pre_mar_pos_size"]) == before
        last[body["signal_id"]] = last[name] = (body["mar_pos"], body["mar_pos_size"])
    traded = {stock["symbol"] for stock in STOCKS if stock["active"] == 1}
    ends = {name.rpartition(":")[2]: end for name, end in last.items() if name.rpartition(":")[2] in traded}
    assert {name for name, end in ends.items() if end != ("flat", "0")} == {HELD}
    assert ends.keys() == traded
    pairs = {name: end for name, end in last.items() if "-" in name and ".DEMO" in name}
    assert {name for name, end in pairs.items() if end != ("flat", "0")} == {BROKEN}  # its leg is traded back
    assert len(pairs) == len(PAIRS)
    (closing,) = alert_bodies(PASSPHRASE, "next", [exit_of_last_run(Decimal(100), Decimal("162.696"))])
    assert (closing["order_action"], closing["order_contracts"], closing["mar_pos"]) == ("sell", "100", "flat")


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
    passphrases.add_passphrase("a passphrase for one run", timedelta(minutes=5))
    assert [snapshot(fresh=True).accepts(text) for text in (PASSPHRASE, "a passphrase for one run")] == [True, True]


def test_an_added_passphrase_ends(context):
    passphrases.add_passphrase("a passphrase for one run", timedelta(seconds=-1))
    assert not snapshot(fresh=True).accepts("a passphrase for one run")


def test_adding_the_passphrase_in_force_does_not_limit_it(context):
    passphrases.add_passphrase(PASSPHRASE, timedelta(seconds=-1))
    assert snapshot(fresh=True).accepts(PASSPHRASE)


def test_an_added_passphrase_must_not_be_too_easy(context):
    with pytest.raises(ConfigError, match="at least 16 characters"):
        passphrases.add_passphrase("webhook", timedelta(minutes=5))


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
        f"No desk answers at http://127.0.0.1:{port} (Connection refused). Start it with `make run`. Was it started with "
        "other settings, as `PORT=5077 make run`? Then give the same: `PORT=5077 make demo`.\n"
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
        end = time.monotonic() + 15
        with app.app_context():  # the worker asks for quotes every few seconds
            while time.monotonic() < end and any(
                row.valuation is None for row in list_positions(PositionFilter(), None).rows
            ):
                time.sleep(0.2)
    finally:
        worker.terminate()
        worker.wait(20)
    for (code, out, complaint), filled in ((given, 19), (made, 20)):  # the second run closes what the first left open
        assert (code, complaint) == (0, "")
        assert [out.count(word) for word in ("  filled  ", "  canceled  ", "  error  ")] == [filled, 4, 2], out
        assert [out.count(word) for word in (" stopped\n", "leg 1: traded back; leg 2: rejected")] == [1, 1], out
    assert "Registered, and there to stay: nothing new." in made[1]
    with app.app_context():
        assert [user.username for user in users.list_users(None)] == ["admin"]
        assert [stop.released_at is None for stop in stops.list_stops()] == [False, False]
        (held,) = list_positions(PositionFilter(), None).rows
        assert (held.position.name, held.position.quantity) == (HELD, 100)
        assert held.valuation.unrealised == 100 * (BID - held.position.average_price)
        fills = list_fills(FillFilter(symbol=HELD), 50, None).rows
        assert [fill.quantity for fill in fills] == [40, 60, 100, 40, 60]
        paper = next(view for view in list_accounts() if view.account.name == "paper")
        assert [order.symbol for order in paper.foreign_orders] == [FOREIGN, FOREIGN]


def wait_for_worker(app):
    """Return once the worker was heard from."""
    end = time.monotonic() + 30
    while app.test_client().get("/readyz").status_code != 200:
        assert time.monotonic() < end, "the worker did not start"
        time.sleep(0.1)
