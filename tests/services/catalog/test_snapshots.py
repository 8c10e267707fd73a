"""Processes decide from memory; what one of them changes, all others honour at once."""

from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from config import ConfigError
from domain.enums import Activity
from extensions import transaction
from models import Signal
from services.catalog import snapshots
from services.identity import passphrases
from services.intake import receive
from services.setup import prepare_database
from tests.support.factories import (
    PASSPHRASE,
    count_rows,
    get_signal,
    make_config,
    make_pair,
    make_stock,
    post_alert,
    store_alert,
    together,
)

NEW = "another passphrase of the same length"


@pytest.fixture
def remembering(app, other_client):
    """A process that has decided before, so that it remembers what is registered."""
    make_stock(app, "LNT")
    make_pair(app, "MA-V", "3")
    assert post_alert(other_client).json["status_msg"] is None
    assert post_alert(other_client, ticker="MA-3*V").json["status_msg"] is None
    assert post_alert(other_client, ticker="NONE").json["status_msg"] == "unknown ticker"
    return other_client


def reason(client, ticker, comment):
    return post_alert(client, ticker=ticker, order_comment=comment).json["status_msg"]


def test_a_stock_made_passive_elsewhere_is_passive_here(app, remembering):
    make_stock(app, "LNT", activity=Activity.PASSIVE)
    assert reason(remembering, "LNT", "after") == "passive ticker"


def test_a_stock_registered_elsewhere_is_known_here(app, remembering):
    make_stock(app, "NONE")
    assert reason(remembering, "NONE", "after") is None


def test_a_stock_deleted_elsewhere_is_unknown_here(app, client, remembering, admin_headers):
    with app.app_context(), transaction() as session:
        session.execute(sa.update(Signal).values(status="canceled"))  # else they would keep it
    assert client.delete("/v3/stock/LNT", headers=admin_headers).status_code == 200
    assert reason(remembering, "LNT", "after") == "unknown ticker"


def test_a_hedge_ratio_changed_elsewhere_is_asked_for_here(app, remembering):
    make_pair(app, "MA-V", "2.5")
    assert reason(remembering, "MA-3*V", "after") == "wrong hedge"
    assert reason(remembering, "MA-2.5*V", "after") is None


def test_an_account_changed_elsewhere_is_used_here(app, remembering):
    make_stock(app, "LNT", account="external")
    assert get_signal(remembering, store_alert(remembering, order_comment="after"))["account"] == "external"


def test_another_default_account_is_used_here(app, remembering, database_url, tmp_path):
    with app.app_context():
        prepare_database(make_config(database_url, tmp_path, BROKER="external"))
    assert get_signal(remembering, store_alert(remembering, order_comment="after"))["account"] == "external"


def test_a_change_between_decision_and_insert_is_honoured(app, remembering, monkeypatch):
    """The insert asks for the very registry that the decision was made on."""
    inserted = []

    def insert(values, *more):
        inserted.append(values["status"])
        return genuine(values, *more)

    def decide(*args):
        decision = genuine_decide(*args)
        if not inserted:
            make_stock(app, "LNT", activity=Activity.PASSIVE)
        return decision

    genuine, genuine_decide = receive.insert_signal, receive.decide
    monkeypatch.setattr(receive, "insert_signal", insert)
    monkeypatch.setattr(receive, "decide", decide)
    assert reason(remembering, "LNT", "during") == "passive ticker"
    assert inserted == ["waiting", "canceled"]


def test_a_registry_that_never_rests_is_no_reason_to_guess(app, remembering, monkeypatch):
    before = count_rows(app)["signals"]
    changes = iter(range(100))

    def decide(*args):
        decision = genuine(*args)
        make_stock(app, f"S{next(changes)}")
        return decision

    genuine = receive.decide
    monkeypatch.setattr(receive, "decide", decide)
    response = post_alert(remembering, order_comment="during")
    assert (response.status_code, response.json["error"]) == (503, "database_busy")
    assert count_rows(app)["signals"] == before


def test_a_name_can_be_remembered_while_others_are_forgotten(context, monkeypatch):
    monkeypatch.setattr(snapshots, "MAX_REMEMBERED", 2)
    names = [f"S{n}" for n in range(8)]
    for name in names:
        make_stock(context, name)
    found = snapshots.snapshot(fresh=True)

    def look(name):
        with context.app_context():
            return [found.find_instrument(name) for _ in range(20)]

    for _ in range(5):
        results = together(*(lambda n=name: look(n) for name in names))
        assert [{tradable.name for tradable in result} for result in results] == [{name} for name in names]


# Passphrases


def rotate(app, passphrase=NEW, keep=None):
    with app.app_context():
        passphrases.set_passphrase(passphrase, keep)


def use(client, passphrase, comment):
    """Return the status codes of all that a passphrase opens: last what looks into the memory only."""
    calls = [
        client.put("/v3/webhook", json={"passphrase": passphrase, "rowid": 1}),
        client.put("/v3/signal/updateorder", json={"passphrase": passphrase, "order_id": 1, "stk_price": 1}),
        client.post("/v3/price", json={"passphrase": passphrase, "order_id": 1, "stk_price": 1}),
        post_alert(client, passphrase=passphrase, order_comment=comment),
    ]
    return [response.status_code for response in calls]


OPEN, SHUT = [200, 404, 404, 201], [401] * 4


def test_an_alert_with_a_passphrase_that_ended_elsewhere_is_refused(app, remembering):
    rotate(app)
    assert post_alert(remembering, order_comment="after").status_code == 401
    assert post_alert(remembering, order_comment="after", passphrase=NEW).status_code == 201


def test_a_passphrase_that_ended_elsewhere_is_wrong_here(app, remembering):
    rotate(app)
    assert use(remembering, PASSPHRASE, "after") == SHUT
    assert use(remembering, NEW, "after") == OPEN


def test_an_old_passphrase_may_work_for_a_while(app, remembering):
    rotate(app, keep=timedelta(hours=1))
    assert use(remembering, PASSPHRASE, "old") == OPEN
    assert use(remembering, NEW, "new") == OPEN
    rotate(app, "and a third one that is not used", keep=timedelta(hours=1))
    assert use(remembering, PASSPHRASE, "older") == OPEN
    rotate(app, "and a fourth one to end all the others")
    assert use(remembering, NEW, "after") == SHUT


def test_an_old_passphrase_ends_when_its_time_is_over(app, remembering, monkeypatch):
    rotate(app, keep=timedelta(hours=1))
    assert use(remembering, PASSPHRASE, "before") == OPEN

    class Later(snapshots.datetime):
        @classmethod
        def now(cls, tz=None):
            return super().now(tz) + timedelta(hours=1, seconds=1)

    monkeypatch.setattr(snapshots, "datetime", Later)
    assert use(remembering, PASSPHRASE, "after") == SHUT
    assert use(remembering, NEW, "after") == OPEN


def test_a_passphrase_put_in_force_again_stays(app, remembering):
    rotate(app, keep=timedelta(hours=1))
    rotate(app, PASSPHRASE)
    assert use(remembering, PASSPHRASE, "again") == OPEN
    assert use(remembering, NEW, "again") == SHUT


def test_a_passphrase_that_ends_while_an_alert_is_on_its_way_is_wrong(app, remembering, monkeypatch):
    before = count_rows(app)["signals"]

    def decide(*args):
        decision = genuine(*args)
        monkeypatch.setattr(receive, "decide", genuine)
        rotate(app)
        return decision

    genuine = receive.decide
    monkeypatch.setattr(receive, "decide", decide)
    response = post_alert(remembering, order_comment="during")
    assert (response.status_code, response.json["message"]) == (401, {"passphrase": "incorrect passphrase."})
    assert count_rows(app)["signals"] == before


def test_easy_passphrases_are_refused(context):
    for passphrase in ("webhook", "", "x" * 40, "short but 8 diff", "x" * 129 + "abcdefgh"):
        if passphrase == "short but 8 diff":
            passphrase = passphrase[:15]
        with pytest.raises(ConfigError):
            passphrases.set_passphrase(passphrase)


def test_a_pair_s_decimals_are_compared_by_value(app, remembering):
    make_pair(app, "MA-V", Decimal("2.50"))
    assert reason(remembering, "MA-2.500*V", "after") is None
