"""Deliveries of one alert that race each other, at processes and machines whose clocks differ, are one signal."""

import contextlib
import threading
import time

import pytest
import requests
import sqlalchemy as sa

from extensions import transaction
from services.intake import receive
from tests.resources.repeats import BUY, SELL, change, deliver, set_back
from tests.support.apps import closing_app
from tests.support.factories import (
    count_rows,
    get_signal,
    make_alert_body,
    make_config,
    make_stock,
    post_alert,
    store_alert,
    together,
)


@pytest.fixture
def lnt(app):
    make_stock(app, "LNT")


@pytest.fixture
def clocks(monkeypatch):
    """Web machines whose clocks differ: each thread has its own, `clocks.minutes` ahead of the true one."""
    here, true_time = threading.local(), time.time
    monkeypatch.setattr(time, "time", lambda: true_time() + 60 * getattr(here, "minutes", 0))
    return here


@pytest.mark.parametrize("minutes", [(0, 5), (5, 0), (-5, 5)])
def test_two_machines_whose_clocks_are_minutes_apart_store_one_signal(lnt, app, client, other_client, clocks, minutes):
    clocks.minutes = minutes[0]
    rowid = store_alert(client)
    clocks.minutes = minutes[1]
    assert post_alert(other_client).json["rowid"] == rowid
    set_back(app, 31)
    assert store_alert(other_client) != rowid


def test_deliveries_that_race_at_machines_whose_clocks_differ_are_one_signal(lnt, app, client, other_client, clocks):
    def deliver_there(c, minutes, comment):
        clocks.minutes = minutes
        return deliver(c, order_comment=comment)

    for round_ in range(6):
        answers = together(
            *(
                lambda c=c, minutes=minutes, n=round_: deliver_there(c, minutes, f"{n}")
                for c, minutes in ((client, 0), (other_client, 5)) * 2
            )
        )
        assert sorted(response.status_code for response in answers) == [200] * 3 + [201]
        assert len({response.json["rowid"] for response in answers}) == 1
        assert get_signal(client, answers[0].json["rowid"])["seen_count"] == 4


@pytest.mark.parametrize("before", ["nothing", "long ago", "another in between", "refused"])
def test_four_deliveries_at_once_are_one_signal_whatever_came_before(lnt, app, client, other_client, before):
    for round_ in range(4):
        alert = {"order_comment": f"{round_}", **SELL}
        if before != "nothing":
            first = store_alert(client, **alert)
        if before == "long ago":
            set_back(app, 60)
        elif before == "another in between":
            store_alert(client, order_comment=f"{round_}", **BUY)
        elif before == "refused":
            change(app, first, status="canceled", status_reason="stopped", error_text="stopped: A stop is in force.")
        answers = together(*(lambda c=c, a=alert: deliver(c, **a) for c in (client, other_client) * 2))
        assert sorted(response.status_code for response in answers) == [200] * 3 + [201]
        assert len({response.json["rowid"] for response in answers}) == 1


def test_deliveries_at_once_of_what_is_refused_are_all_answered(app, client, other_client):
    """One row where they race; where they do not, each may be a person's new try."""
    answers = together(*(lambda c=c: deliver(c, ticker="NONE") for c in (client, other_client) * 4))
    assert {response.status_code for response in answers} <= {200, 201}
    assert {response.json["status_msg"] for response in answers} == {"unknown ticker"}


@pytest.fixture
def slow_app(cluster, postgresql_url, tmp_path):
    """A desk whose inserts are so slow that deliveries overlap for sure."""
    with closing_app(make_config(postgresql_url, tmp_path)) as app:
        make_stock(app, "LNT")
        with app.app_context(), transaction() as session:
            body = "begin perform pg_sleep(0.15); return new; end"
            session.execute(sa.text(f"create function slow() returns trigger language plpgsql as '{body}'"))
            session.execute(
                sa.text("create trigger slow before insert on signals for each row execute function slow()")
            )
        yield app


@pytest.mark.postgres
def test_a_delivery_waits_for_one_that_is_being_stored(slow_app):
    for before in ("nothing", "long ago"):
        if before == "long ago":
            set_back(slow_app, 60)
        answers = together(*(lambda: deliver(slow_app.test_client()) for _ in range(6)))
        assert sorted(response.status_code for response in answers) == [200] * 5 + [201], before
        assert len({response.json["rowid"] for response in answers}) == 1


def test_a_delivery_that_lost_the_race_is_a_repeat_whatever_happened_meanwhile(
    lnt, app, client, other_client, monkeypatch
):
    """By the time it looks who won, that one is refused, and another alert of the name is stored."""
    genuine, won = receive.insert_signal, []

    @contextlib.contextmanager
    def waiting_for_the_lock():
        time.sleep(0.2)
        with transaction() as session:
            yield session

    def lose(values, weak):
        monkeypatch.setattr(receive, "insert_signal", genuine)
        monkeypatch.setattr(receive, "transaction", waiting_for_the_lock)
        won.append(store_alert(other_client, **SELL))
        change(app, won[0], status="canceled", status_reason="stopped", error_text="stopped: A stop is in force.")
        store_alert(other_client, **BUY)

    monkeypatch.setattr(receive, "insert_signal", lose)
    answer = post_alert(client, **SELL)
    assert (answer.status_code, [answer.json["rowid"]]) == (200, won)
    assert store_alert(client, **SELL) not in won  # that one came later


@pytest.mark.parametrize("signal_id", ["once", ""])
def test_four_deliveries_at_once_to_two_processes_are_one_signal(database_url, live_server, app, signal_id):
    make_stock(app, "LNT")
    servers = [live_server(database_url), live_server(database_url)]
    for server in servers:
        server.wait()
    bodies = [make_alert_body(signal_id=f"{signal_id}{n}" if signal_id else "", order_comment=f"{n}") for n in range(5)]
    for body in bodies:
        answers = together(
            *(lambda s=s, b=body: requests.post(f"{s.url}/v3/webhook", json=b, timeout=10) for s in servers * 4)
        )
        assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
        assert len({answer.json()["rowid"] for answer in answers}) == 1
        rowid = answers[0].json()["rowid"]
        assert requests.get(f"{servers[0].url}/v3/signal/{rowid}", timeout=10).json()["seen_count"] == 8
    assert count_rows(app)["signals"] == 5
