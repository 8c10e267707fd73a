"""POST /v3/webhook: what becomes of an alert."""

import json
from decimal import Decimal

import pytest

from domain.edge.visible import visible
from domain.enums import Activity
from models import Counter
from tests.support.factories import (
    ABSENT,
    PASSPHRASE,
    count_rows,
    exact,
    get_signal,
    make_alert_body,
    make_pair,
    make_stock,
    post_alert,
    store_alert,
)  # fmt: skip

EXAMPLE = {
    "passphrase": PASSPHRASE, "ticker": "NMFC-0.72*NASDAQ:ROIC", "order_action": "buy", "order_contracts": 100, "order_price": -0.01,
    "mar_pos": "long", "mar_pos_size": 100, "pre_mar_pos": "flat", "pre_mar_pos_size": 0, "order_comment": "Enter Long",
    "order_status": "waiting",
}  # fmt: skip

KEYS_OF_A_SIGNAL = {
    "rowid", "timestamp", "ticker", "order_action", "order_contracts", "order_price", "mar_pos", "mar_pos_size", "pre_mar_pos",
    "pre_mar_pos_size", "order_comment", "order_status", "ticker_type", "stk_ticker1", "stk_ticker2", "hedge_param", "order_id1",
    "order_id2", "stk_price1", "stk_price2", "fill_price", "slip", "error_msg", "status_msg", "source", "account", "legs", "trace",
}  # fmt: skip


def answer(response):
    return response.status_code, response.json


def test_the_documented_alert_is_stored(app, client):
    make_pair(app, "NMFC-ROIC", "0.72")
    response = client.post("/v3/webhook", json=EXAMPLE)
    assert response.status_code == 201
    assert response.json["message"] == "Signal created successfully."
    assert response.json["duplicate"] is False
    signal = get_signal(client, response.json["rowid"])
    assert set(signal) >= KEYS_OF_A_SIGNAL
    said = {name: value for name, value in EXAMPLE.items() if name != "passphrase"}
    assert {name: signal[name] for name in said} == {**said, "order_price": Decimal("-0.01")}
    made = {
        "ticker_type": "pair", "stk_ticker1": "NMFC", "stk_ticker2": "ROIC", "hedge_param": Decimal("0.72"), "account": "paper",
        "order_id1": None, "order_id2": None, "stk_price1": None, "stk_price2": None, "fill_price": None, "slip": None,
        "error_msg": None, "status_msg": None, "source": "webhook", "legs": [],
    }  # fmt: skip
    assert {name: signal[name] for name in made} == made
    assert [(check["check"], check["ok"]) for check in signal["trace"]] == [
        ("ticker", True), ("registered", True), ("active", True), ("hedge", True),
    ]  # fmt: skip


def test_a_single_is_stored(app, client):
    make_stock(app, "LNT")
    signal = get_signal(client, store_alert(client, ticker="NYSE:LNT"))
    assert (signal["order_status"], signal["ticker_type"], signal["ticker"]) == ("waiting", "single", "NYSE:LNT")
    assert (signal["stk_ticker1"], signal["stk_ticker2"], signal["hedge_param"]) == ("LNT", None, None)


@pytest.mark.parametrize(
    ("ticker", "status", "reason", "message"),
    [
        ("LNT", "waiting", None, "Signal created successfully."),
        ("NYSE:LNT-NYSE:FTS/3", "canceled", "wrong hedge", "recorded with unknown or passive ticker!"),
        ("LNT-1.25*FTS", "waiting", None, "Signal created successfully."),
        ("PASS", "canceled", "passive ticker", "recorded with unknown or passive ticker!"),
        ("WATCH", "canceled", "passive ticker", "recorded with unknown or passive ticker!"),
        ("FTS", "canceled", "passive ticker", "recorded with unknown or passive ticker!"),
        ("NONE", "error", "unknown ticker", "recorded with unknown or passive ticker!"),
        ("FTS-LNT", "error", "unknown ticker", "recorded with unknown or passive ticker!"),
        ("LNT+FTS", "error", "problematic ticker!", "recorded with problematic ticker!"),
        ("1*NYSE:LNT", "waiting", None, "Signal created successfully."),
    ],
)
def test_each_reason_is_stored_and_told(app, client, ticker, status, reason, message):
    make_pair(app, "LNT-FTS", "1.25", activity=Activity.PASSIVE)
    make_stock(app, "LNT", activity=Activity.PASSIVE)
    if ticker == "LNT-1.25*FTS" or "/3" in ticker:
        make_pair(app, "LNT-FTS", "1.25")
    else:
        make_stock(app, "LNT")
    make_stock(app, "PASS", activity=Activity.PASSIVE)
    make_stock(app, "WATCH", activity=Activity.WATCH)
    response = post_alert(client, ticker=ticker)
    told = response.json
    assert response.status_code == 201
    assert (told["message"], told["order_status"], told["status_msg"]) == (message, status, reason)
    signal = get_signal(client, told["rowid"])
    assert (signal["order_status"], signal["status_msg"]) == (status, reason)
    assert (signal["error_msg"] or "").startswith(reason or "")
    assert [check["ok"] for check in signal["trace"]][-1] is (reason is None)


def test_what_an_alert_leaves_out_is_null(app, client):
    signal = get_signal(client, store_alert(client))
    optional = ("order_price", "mar_pos", "mar_pos_size", "pre_mar_pos", "pre_mar_pos_size", "order_comment")
    assert [signal[name] for name in optional] == [None] * 6


def test_empty_placeholders_count_as_left_out(app, client):
    names = (
        "order_price",
        "mar_pos",
        "mar_pos_size",
        "pre_mar_pos",
        "pre_mar_pos_size",
        "order_comment",
        "signal_id",
        "timestamp",
    )
    signal = get_signal(client, store_alert(client, **dict.fromkeys(names, "")))
    assert [signal[name] for name in names if name not in ("signal_id", "timestamp")] == [None] * 6


def test_numbers_may_come_as_text(app, client):
    texts = {"order_contracts": "10.7", "order_price": "-0.01", "mar_pos_size": " 1e2 ", "pre_mar_pos_size": "+5."}
    signal = get_signal(client, store_alert(client, **texts))
    assert {name: signal[name] for name in texts} == {
        "order_contracts": Decimal("10.7"), "order_price": Decimal("-0.01"), "mar_pos_size": 100, "pre_mar_pos_size": 5,
    }  # fmt: skip


def test_fractions_are_kept(app, client):
    assert get_signal(client, store_alert(client, order_contracts=10.7))["order_contracts"] == Decimal("10.7")


def test_decimals_go_in_and_come_out_exactly(app, client):
    numbers = ("0.00000001", "123456789012.12345678", "-123456789012.12345678", "0.1", "100.50", "0", "999999999999")
    for number in numbers:
        size = number.lstrip("-") if number != "0" else "1"
        body = json.dumps(make_alert_body(order_contracts=ABSENT, order_comment=number))[:-1]
        response = client.post(
            "/v3/webhook",
            data=f'{body}, "order_contracts": {size}, "order_price": {number}, "mar_pos_size": "{size}"}}',
        )
        assert response.status_code == 201, response.text
        signal = get_signal(client, response.json["rowid"])
        assert (signal["order_price"], signal["order_contracts"], signal["mar_pos_size"]) == (
            Decimal(number),
            Decimal(size),
            Decimal(size),
        )
        listed = exact(client.get("/v3/signals/1"))["signals"][0]
        assert (listed["order_price"], listed["order_contracts"]) == (Decimal(number), Decimal(size))


def test_words_are_read_in_any_case(app, client):
    signal = get_signal(client, store_alert(client, order_action="BUY", mar_pos=" Long", pre_mar_pos="FLAT"))
    assert (signal["order_action"], signal["mar_pos"], signal["pre_mar_pos"]) == ("buy", "long", "flat")


def test_the_time_of_the_alert_is_shown_when_it_states_one(app, client):
    rowid = store_alert(client, timestamp="2025-11-20 14:30:00")
    assert get_signal(client, rowid)["timestamp"] == "2025-11-20 14:30:00"
    rowid = store_alert(client, timestamp="2025-11-20T09:30:00.123456-05:00")
    assert get_signal(client, rowid)["timestamp"] == "2025-11-20 14:30:00"


def test_unknown_fields_are_ignored(app, client):
    rowid = store_alert(
        client, bypass_ticker_status="false", is_admin=True, interval="5", nested={"a": [1, {"b": None}]}
    )
    assert get_signal(client, rowid)["order_status"] == "error"  # LNT is not registered, and nothing bypasses that


def test_fields_of_the_desk_are_refused_by_name(app, client):
    for name in ("rowid", "order_id1", "order_id2", "stk_price1", "stk_price2", "fill_price", "slip"):
        response = post_alert(client, **{name: 5})
        assert answer(response) == (400, {"message": {name: "is set by the desk, not by an alert"}, "error": "invalid"})
        assert post_alert(client, order_comment=name, **{name: None}).status_code == 201
    assert count_rows(app)["signals"] == 7


def test_an_alert_arrives_waiting_or_not_at_all(app, client):
    for status in ("filled", "created", "WAITING", 5, True):
        response = post_alert(client, order_status=status)
        assert answer(response) == (400, {"message": {"order_status": "must be one of: waiting"}, "error": "invalid"})


def test_what_breaks_a_rule_is_named(app, client):
    rows = [
        ("passphrase", {"passphrase": ABSENT}),
        ("passphrase", {"passphrase": None}),
        ("passphrase", {"passphrase": ""}),
        ("passphrase", {"passphrase": 5}),
        ("passphrase", {"passphrase": ["x"]}),
        ("passphrase", {"passphrase": "x" * 129}),
        ("ticker", {"ticker": ABSENT}),
        ("ticker", {"ticker": ""}),
        ("ticker", {"ticker": "  "}),
        ("ticker", {"ticker": 700}),
        ("ticker", {"ticker": ["LNT"]}),
        ("ticker", {"ticker": "X" * 129}),
        ("order_action", {"order_action": ABSENT}),
        ("order_action", {"order_action": "hold"}),
        ("order_action", {"order_action": 1}),
        ("order_contracts", {"order_contracts": ABSENT}),
        ("order_contracts", {"order_contracts": None}),
        ("order_contracts", {"order_contracts": ""}),
        ("order_contracts", {"order_contracts": 0}),
        ("order_contracts", {"order_contracts": -1}),
        ("order_contracts", {"order_contracts": 0.000000001}),
        ("order_contracts", {"order_contracts": "1e-30"}),
        ("order_contracts", {"order_contracts": 10**12}),
        ("order_contracts", {"order_contracts": "999999999999.00000001"}),
        ("order_contracts", {"order_contracts": 2**63}),
        ("order_contracts", {"order_contracts": True}),
        ("order_contracts", {"order_contracts": [5]}),
        ("order_contracts", {"order_contracts": {"n": 5}}),
        ("order_contracts", {"order_contracts": "1_000"}),
        ("order_contracts", {"order_contracts": "1,000"}),
        ("order_contracts", {"order_contracts": "٣٤"}),
        ("order_contracts", {"order_contracts": "１２"}),
        ("order_contracts", {"order_contracts": "NaN"}),
        ("order_contracts", {"order_contracts": "-Infinity"}),
        ("order_contracts", {"order_contracts": "1e400"}),
        ("order_contracts", {"order_contracts": "9" * 65}),
        ("order_contracts", {"order_contracts": "{{strategy.order.contracts}}"}),
        ("order_price", {"order_price": "cheap"}),
        ("order_price", {"order_price": False}),
        ("order_price", {"order_price": -(10**12)}),
        ("mar_pos", {"mar_pos": "up"}),
        ("mar_pos", {"mar_pos": 0}),
        ("mar_pos_size", {"mar_pos_size": -1}),
        ("pre_mar_pos", {"pre_mar_pos": ["long"]}),
        ("pre_mar_pos_size", {"pre_mar_pos_size": "-0.5"}),
        ("order_comment", {"order_comment": 5}),
        ("timestamp", {"timestamp": "yesterday"}),
        ("timestamp", {"timestamp": 1700000000}),
        ("timestamp", {"timestamp": "0001-01-01 00:00:00"}),
        ("timestamp", {"timestamp": "0999-12-31 00:00:00"}),
        ("timestamp", {"timestamp": "9999-12-31T23:59:59-12:00"}),
        ("timestamp", {"timestamp": "0001-01-01T00:00:00+12:00"}),
        ("signal_id", {"signal_id": "x" * 4097}),
        ("signal_id", {"signal_id": 5}),
        ("strategy", {"strategy": []}),
        ("bar_time", {"bar_time": {}}),
    ]
    answers = [answer(post_alert(client, **overrides)) for _, overrides in rows]
    assert [(status, list(told["message"])) for status, told in answers] == [(400, [field]) for field, _ in rows]
    assert count_rows(app)["signals"] == 0
    assert exact(client.get("/v3/signals/0"))["signals"] == []


def test_long_texts_do_not_lose_an_alert(client):
    rowid = store_alert(client, order_comment="c" * 500, bar_time="t" * 500, strategy="s" * 500, signal_id="i" * 500)
    assert get_signal(client, rowid)["order_comment"] == "c" * 128
    again = post_alert(client, order_comment="c" * 500, bar_time="t" * 500, strategy="s" * 500, signal_id="i" * 500)
    assert (again.status_code, again.json["rowid"]) == (200, rowid)
    assert post_alert(client, signal_id="i" * 501).json["rowid"] != rowid


def test_missing_fields_are_told_in_the_words_of_v3(client):
    assert answer(post_alert(client, passphrase=ABSENT)) == (
        400,
        {"message": {"passphrase": "'passphrase' cannot be empty!"}, "error": "invalid"},
    )
    everything = client.post("/v3/webhook", json={})
    names = ("passphrase", "ticker", "order_action", "order_contracts")
    assert everything.json["message"] == {name: f"'{name}' cannot be empty!" for name in names}


def test_a_wrong_passphrase_stores_nothing_but_a_count(app, client):
    before = count_rows(app, "counters", "rate_limits")
    for passphrase in ("guess", "pässe", PASSPHRASE.upper(), PASSPHRASE + " ", "'; drop table signals; --"):
        response = post_alert(client, passphrase=passphrase)
        assert answer(response) == (
            401,
            {"message": {"passphrase": "incorrect passphrase."}, "error": "wrong_passphrase"},
        )
    assert count_rows(app, "counters", "rate_limits") == before
    with app.app_context():
        assert [(row.name, row.count) for row in Counter.query.all()] == [("webhook.wrong_passphrase", 5)]


def test_after_many_wrong_passphrases_only_a_right_one_passes(app, client):
    make_stock(app, "LNT")
    refused = [post_alert(client, passphrase="guess").status_code for _ in range(12)]
    assert refused == [401] * 10 + [429] * 2
    response = post_alert(client, passphrase="guess")
    assert response.json["error"] == "too_many"
    assert int(response.headers["Retry-After"]) > 0
    assert post_alert(client).status_code == 201


def test_the_passphrase_is_kept_nowhere_and_told_to_nobody(app, client, caplog):
    rowid = store_alert(client, order_comment="see", ticker="LNT+FTS")
    texts = [
        client.get(f"/v3/signal/{rowid}").text,
        post_alert(client, order_contracts=0).text,
        post_alert(client, passphrase=PASSPHRASE + "x").text,
    ]
    with app.app_context():
        from extensions import db

        for table in db.metadata.sorted_tables:
            texts += [str(row) for row in db.session.execute(table.select())]
    texts.append(caplog.text)
    assert not any(PASSPHRASE in text for text in texts)


def test_hostile_texts_are_stored_as_text(app, client):
    for text in (
        "<img src=x onerror=alert(1)>",
        "{{7*7}}",
        "=HYPERLINK(1)",
        "' OR 1=1--",
        "%_\\",
        "🌷",
        "a\u202eb",
        "a\u0085b",
    ):
        rowid = store_alert(client, order_comment=text, ticker=text, strategy=text)
        signal = get_signal(client, rowid)
        assert signal["order_comment"] == visible(text)
        assert signal["order_status"] == "error"
        assert signal["status_msg"] == "problematic ticker!"


def test_control_characters_in_a_ticker_become_visible(app, client):
    signal = get_signal(client, store_alert(client, ticker="LN\u0001T\u001b[31m"))
    assert (signal["ticker"], signal["status_msg"]) == ("LN\\u0001T\\u001b[31m", "problematic ticker!")


def test_blanks_around_a_ticker_are_trimmed(app, client):
    make_pair(app, "MA-V", "3")
    for ticker in ("MA - 3*V", "MA-3*V ", "\tMA-3*V\r\n", "ma-3*v"):
        assert post_alert(client, ticker=ticker).json["order_status"] == "waiting"


def test_an_alert_for_an_external_account_waits_for_its_executor(app, client):
    make_stock(app, "LNT", account="external")
    signal = get_signal(client, store_alert(client))
    assert (signal["order_status"], signal["account"]) == ("waiting", "external")
