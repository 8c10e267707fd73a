"""What people do by hand through the API: stops, cancels, settlements, healing orders, and the question what would be."""

import contextvars

import pytest
import sqlalchemy as sa

from brokers.paper.instructions import Kind
from domain.enums import FailurePolicy, Scope, StopLevel
from extensions import db, transaction
from models import Order, Pair, Position, Signal
from services.execution import stops
from tests.support.desk import open_desk
from tests.support.factories import count_rows, exact, make_pair, make_stock, store_alert

NOWHERE = ("rate_limits", "refresh_tokens", "counters", "revoked_tokens")


class FromOutside:
    """A client whose requests know nothing of the application context that a test's services run in."""

    def __init__(self, client):
        self._client = client

    def __getattr__(self, verb):
        return lambda *args, **more: contextvars.Context().run(getattr(self._client, verb), *args, **more)


@pytest.fixture
def client(client):
    return FromOutside(client)


@pytest.fixture
def desk(context, tmp_path):
    make_stock(context, "LNT")
    make_pair(context, "MA-V", "3")
    with open_desk(context, tmp_path) as desk:
        yield desk


def alert(**fields):
    return {"ticker": "LNT", "order_action": "buy", "order_contracts": 10, "order_price": 50, **fields}


def test_a_stop_is_set_listed_and_released(client, admin_headers):
    body = {"level": "entries", "reason": "news"}
    answer = client.post("/v3/stops", json=body, headers=admin_headers)
    assert answer.status_code == 201
    assert {k: answer.json[k] for k in ("level", "scope", "name", "reason", "actor", "in_force", "released_at")} == {
        "level": "entries", "scope": "desk", "name": "", "reason": "news", "actor": "user admin",
        "in_force": True, "released_at": None,
    }  # fmt: skip
    number = answer.json["stop"]
    listed = client.get("/v3/stops", headers=admin_headers).json["stops"]
    assert listed == [answer.json]
    released = client.post(f"/v3/stop/{number}/release", json={"reason": "calm"}, headers=admin_headers)
    assert (released.status_code, released.json["in_force"], released.json["release_reason"]) == (200, False, "calm")
    again = client.post(f"/v3/stop/{number}/release", json={"reason": "calm"}, headers=admin_headers)
    assert again.status_code == 409
    assert client.post("/v3/stop/77/release", json={"reason": "calm"}, headers=admin_headers).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"reason": "x"}, "level"),
        ({"level": "all", "reason": "x"}, "level"),
        ({"level": "entries"}, "reason"),
        ({"level": "entries", "reason": " "}, "reason"),
        ({"level": "entries", "reason": "two\nlines"}, "reason"),
        ({"level": "entries", "reason": "x", "scope": "pair"}, "name"),
        ({"level": "entries", "reason": "x", "scope": "stock", "name": "NOPE"}, "name"),
        ({"level": "entries", "reason": "x", "name": "LNT"}, "name"),
        ({"level": "entries", "reason": "x", "who": "me"}, "who"),
    ],
)
def test_a_bad_stop_names_the_field_and_changes_nothing(app, client, admin_headers, body, field):
    before = count_rows(app, *NOWHERE)
    answer = client.post("/v3/stops", json=body, headers=admin_headers)
    assert (answer.status_code, list(answer.json["message"])) == (400, [field])
    assert count_rows(app, *NOWHERE) == before


def test_an_order_is_canceled_by_hand(desk, client, admin_headers):
    desk.tell(Kind.WORK)
    rowid = desk.alert("LNT")
    desk.work()
    (order,) = desk.orders(rowid)
    url = f"/v3/order/{order.client_order_id}/cancel"
    answer = client.post(url, json={"reason": "too early"}, headers=admin_headers)
    assert (answer.status_code, answer.json["status"]) == (202, "CANCEL_PENDING")
    desk.work()
    assert desk.orders(rowid)[0].status == "CANCELED"
    again = client.post(url, json={"reason": "too early"}, headers=admin_headers)
    assert (again.status_code, "CANCELED" in again.text) == (409, True)
    assert client.post("/v3/order/nope/cancel", json={"reason": "x"}, headers=admin_headers).status_code == 404


def test_a_working_signal_is_canceled_by_put_through_its_broker(desk, client, admin_headers):
    desk.tell(Kind.WORK)
    rowid = desk.alert("LNT")
    desk.work()
    body = exact(client.get(f"/v3/signal/{rowid}"))
    put = {k: body[k] for k in ("rowid", "ticker", "order_action", "order_contracts")}
    answer = client.put("/v3/webhook", json={**put, "order_status": "canceled"}, headers=admin_headers)
    assert (answer.status_code, answer.json["order_status"]) == (200, "created")  # the broker decides
    desk.work()
    assert desk.signal(rowid).status == "canceled"


def test_a_filled_signal_is_frozen(desk, client, admin_headers):
    rowid = desk.alert("LNT")
    desk.work()
    body = exact(client.get(f"/v3/signal/{rowid}"))
    put = {k: body[k] for k in ("rowid", "ticker", "order_action", "order_contracts")}
    answer = client.put("/v3/webhook", json={**put, "order_status": "canceled"}, headers=admin_headers)
    assert answer.status_code == 409
    assert client.delete(f"/v3/signal/{rowid}", headers=admin_headers).status_code == 409
    assert desk.signal(rowid).status == "filled"


def test_a_critical_signal_is_settled_by_hand(desk, client, admin_headers):
    with transaction() as session:
        session.execute(sa.update(Pair).values(on_leg_failure=FailurePolicy.HOLD))
    desk.tell(Kind.REJECT, symbol="V")
    rowid = desk.alert("MA-3*V")
    desk.work()
    url = f"/v3/signal/{rowid}/settle"
    answer = client.post(url, json={"reason": "sold MA by hand"}, headers=admin_headers)
    assert (answer.status_code, answer.json["order_status"]) == (200, "part.filled")
    assert answer.json["status_msg"] == "settled by user admin: sold MA by hand"
    assert client.post(url, json={"reason": "again"}, headers=admin_headers).status_code == 409


def test_an_order_nobody_can_look_up_is_resolved_by_a_person(desk, client, admin_headers):
    rowid = desk.alert("LNT")
    desk.plan()
    (order,) = desk.orders(rowid)
    url = f"/v3/order/{order.id}/resolve"
    assert client.post(url, json={"reason": "x"}, headers=admin_headers).status_code == 409
    with transaction() as session:
        session.execute(sa.update(Order).values(status="MANUAL"))
    answer = client.post(url, json={"reason": "looked there"}, headers=admin_headers)
    assert (answer.status_code, answer.json["status"]) == (200, "REJECTED")
    assert "user admin says it is not at the broker" in answer.json["reason"]
    assert desk.signal(rowid).status == "error"


@pytest.mark.parametrize("broker_order_id", ["", " ", "x" * 65, "a\nb", 7])
def test_an_id_at_the_broker_is_one_plain_word(desk, client, admin_headers, broker_order_id):
    rowid = desk.alert("LNT")
    desk.plan()
    (order,) = desk.orders(rowid)
    body = {"reason": "x", "broker_order_id": broker_order_id}
    answer = client.post(f"/v3/order/{order.id}/resolve", json=body, headers=admin_headers)
    assert answer.status_code == 400
    assert "broker_order_id" in str(answer.json)


def test_an_order_nobody_can_look_up_is_named_by_a_person(desk, client, admin_headers):
    rowid = desk.alert("LNT")
    desk.plan()
    (order,) = desk.orders(rowid)
    with transaction() as session:
        session.execute(sa.update(Order).values(status="MANUAL"))
    body = {"reason": "seen there", "broker_order_id": "B-17"}
    answer = client.post(f"/v3/order/{order.id}/resolve", json=body, headers=admin_headers)
    assert (answer.status_code, answer.json["status"], answer.json["broker_order_id"]) == (200, "UNKNOWN", "B-17")


def test_a_drifted_pair_is_healed_once_for_one_state(desk, client, admin_headers):
    rowid = desk.alert("MA-3*V", quantity="20")
    desk.work()
    with transaction() as session:
        session.execute(sa.update(Position).where(Position.symbol == "V").values(quantity=-50))
    (pair,) = client.get("/v3/drift", headers=admin_headers).json["pairs"]
    body = {"pair": pair["pair"], "account": pair["account"], "state": pair["state"], "reason": "a split"}
    first = client.post("/v3/drift/heal", json=body, headers=admin_headers)
    second = client.post("/v3/drift/heal", json=body, headers=admin_headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json["rowid"] == second.json["rowid"] != rowid
    desk.work()
    signal = desk.signal(first.json["rowid"])
    assert (signal.status, signal.source, signal.name) == ("filled", "heal", "MA-V")
    assert [(o.symbol, o.side, o.quantity) for o in desk.orders(signal.id)] == [("V", "sell", 10)]
    old = client.post("/v3/drift/heal", json=body, headers=admin_headers)
    assert old.status_code == 409
    assert client.post("/v3/drift/heal", json={**body, "pair": "A-B"}, headers=admin_headers).status_code == 404


def test_what_would_happen_is_told_and_nothing_is_stored(app, desk, client, admin_headers):
    desk.market.refresh(desk.account_id)  # as a worker does every few seconds
    before = count_rows(app, *NOWHERE)
    answer = client.post("/v3/whatif", json=alert(ticker="MA-3*V", order_price=-2), headers=admin_headers)
    assert answer.status_code == 200, answer.text
    told = exact(answer)
    assert told["order_status"] == "created"
    assert [(o["leg"], o["symbol"], o["side"], o["quantity"]) for o in told["orders"]] == [
        (1, "MA", "buy", 10),
        (2, "V", "sell", 30),
    ]
    assert (told["leg_policy"], told["on_leg_failure"]) == ("together", "unwind")
    assert [(b["symbol"], b["held"], b["after"]) for b in told["book"]] == [("MA", 0, 10), ("V", 0, -30)]
    assert count_rows(app, *NOWHERE) == before
    rowid = desk.alert("MA-3*V", quantity="10", price="-2")
    desk.work()
    checks = [step["check"] for step in desk.signal(rowid).trace]
    assert [step["check"] for step in told["trace"] if step["check"] != "broker"] == checks


@pytest.mark.parametrize(
    ("fields", "status", "reason"),
    [
        ({"ticker": "NOPE"}, "error", "unknown ticker"),
        ({"ticker": "LNT*"}, "error", "problematic ticker!"),
        ({"ticker": "MA-2*V"}, "canceled", "wrong hedge"),
        ({"ticker": "LNT"}, "created", None),
    ],
)
def test_what_would_happen_says_why_not(desk, client, admin_headers, fields, status, reason):
    told = client.post("/v3/whatif", json=alert(**fields), headers=admin_headers).json
    assert (told["order_status"], told["status_msg"]) == (status, reason)


def test_what_would_happen_knows_a_stop(desk, client, admin_headers):
    stops.set_stop(stops.StopForm(level=StopLevel.ENTRIES, scope=Scope.DESK, reason="news"), "user anna")
    told = client.post("/v3/whatif", json=alert(), headers=admin_headers).json
    assert (told["order_status"], told["status_msg"], told["orders"]) == ("canceled", "stopped", [])


def test_what_would_happen_takes_what_the_webhook_takes(desk, client, admin_headers):
    bad = client.post("/v3/whatif", json=alert(order_contracts=0), headers=admin_headers)
    assert (bad.status_code, list(bad.json["message"])) == (400, ["order_contracts"])
    assert client.post("/v3/whatif", json=alert(passphrase="whatever"), headers=admin_headers).status_code == 200


def test_a_pair_says_how_its_legs_belong_together(client, app, admin_headers):
    make_pair(app, "MA-V", "3")
    body = {"ticker1": "MA", "ticker2": "V", "hedge": 3, "status": 1}
    first = client.put(
        "/v3/regpair", json={**body, "leg_policy": "leg1_first", "leg_timeout": 5}, headers=admin_headers
    )
    assert (first.json["leg_policy"], first.json["on_leg_failure"], first.json["leg_timeout"]) == (
        "leg1_first", "unwind", 5,
    )  # fmt: skip
    second = client.put("/v3/regpair", json={**body, "on_leg_failure": "hold"}, headers=admin_headers)
    assert (second.json["leg_policy"], second.json["on_leg_failure"], second.json["leg_timeout"]) == (
        "leg1_first", "hold", 5,
    )  # fmt: skip
    bad = client.put("/v3/regpair", json={**body, "leg_policy": "later"}, headers=admin_headers)
    assert (bad.status_code, list(bad.json["message"])) == (400, ["leg_policy"])


def test_the_webhook_s_signal_is_still_stored_beside_all_this(client, app):
    make_stock(app, "LNT")
    rowid = store_alert(client)
    with app.app_context():
        assert db.session.get(Signal, rowid).source == "webhook"


def test_a_pair_is_healed_for_a_reason_which_goes_on_record(app, desk, client, admin_headers):
    desk.alert("MA-3*V", quantity="20")
    desk.work()
    with transaction() as session:
        session.execute(sa.update(Position).where(Position.symbol == "V").values(quantity=-50))
    (pair,) = client.get("/v3/drift", headers=admin_headers).json["pairs"]
    body = {"pair": "NYSE:MA-NYSE:V", "account": pair["account"], "state": pair["state"]}
    before = count_rows(app, *NOWHERE)
    for reason in ({}, {"reason": " "}):
        response = client.post("/v3/drift/heal", json={**body, **reason}, headers=admin_headers)
        assert (response.status_code, response.json["message"]) == (400, {"reason": "'reason' cannot be empty!"})
    assert count_rows(app, *NOWHERE) == before
    assert client.post("/v3/drift/heal", json={**body, "reason": "a split"}, headers=admin_headers).status_code == 201
    assert client.get("/v3/journal", headers=admin_headers).json["entries"][0]["text"].endswith(": a split")
