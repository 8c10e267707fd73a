"""What Alpaca refuses: each rule with its status, its code and its words."""

from typing import Any

import pytest

from tests.simulators.support import Alpaca, Caller, Control, make_order

MALFORMED, VALIDATION, BUSINESS, FORBIDDEN, NOT_FOUND = 40010000, 40010001, 42210000, 40310000, 40410000
NOBODY = "00000000-0000-4000-8000-000000000000"
LIMIT = {"type": "limit", "limit_price": "99"}
TRAILING: dict[str, Any] = {"type": "trailing_stop", "trail_price": "1"}
COIN = {"symbol": "BTC/USD", "qty": "1", "time_in_force": "gtc"}

# What is different from an order that is taken; status, code and words of the refusal.
ORDERS: dict[str, tuple[dict[str, Any], int, int, str]] = {
    "no symbol": ({"symbol": None}, 422, VALIDATION, "symbol is required"),
    "unknown symbol": ({"symbol": "ZZZZQ"}, 422, BUSINESS, 'asset "ZZZZQ" not found'),
    "no side": ({"side": None}, 422, VALIDATION, "side is required"),
    "wrong side": ({"side": "hold"}, 422, VALIDATION, "invalid side"),
    "no type": ({"type": None}, 422, VALIDATION, "type is required"),
    "wrong type": ({"type": "guess"}, 422, VALIDATION, "invalid type"),
    "no time in force": ({"time_in_force": None}, 422, VALIDATION, "time_in_force is required"),
    "wrong time in force": ({"time_in_force": "ever"}, 422, VALIDATION, "invalid time_in_force"),
    "neither qty nor notional": ({"qty": None}, 422, VALIDATION, "exactly one of qty or notional"),
    "qty and notional": ({"notional": "100"}, 422, VALIDATION, "exactly one of qty or notional"),
    "qty no number": ({"qty": "ten"}, 422, VALIDATION, "invalid qty"),
    "qty true": ({"qty": True}, 422, VALIDATION, "invalid qty"),
    "qty infinite": ({"qty": "Infinity"}, 422, VALIDATION, "invalid qty"),
    "qty beyond all measure": ({"qty": "1e40"}, 422, VALIDATION, "invalid qty"),
    "qty 0": ({"qty": "0"}, 422, VALIDATION, "qty must be > 0"),
    "qty below 0": ({"qty": "-1"}, 422, VALIDATION, "qty must be > 0"),
    "qty with ten decimals": ({"qty": "0.0000000001"}, 422, VALIDATION, "qty must have at most 9 decimals"),
    "notional with three decimals": ({"qty": None, "notional": "10.001"}, 422, VALIDATION, "notional must have at most 2"),
    "notional below a dollar": ({"qty": None, "notional": "0.99"}, 422, BUSINESS, "cost basis must be >= minimal amount"),
    "fraction below a dollar": ({"qty": "0.009"}, 422, BUSINESS, "cost basis must be >= minimal amount"),
    "limit without its price": ({"type": "limit"}, 422, VALIDATION, "limit orders require limit_price"),
    "stop without its price": ({"type": "stop"}, 422, VALIDATION, "stop orders require stop_price"),
    "stop limit without one": ({"type": "stop_limit", "stop_price": "99"}, 422, VALIDATION, "stop_limit orders require limit_price"),
    "market with a limit": ({"limit_price": "99"}, 422, VALIDATION, "market orders must not have limit_price"),
    "limit 0": ({**LIMIT, "limit_price": "0"}, 422, VALIDATION, "limit_price must be > 0"),
    "limit beyond all measure": ({**LIMIT, "limit_price": "1e40"}, 422, VALIDATION, "invalid limit_price"),
    "three decimals above a dollar": ({**LIMIT, "limit_price": "99.001"}, 422, BUSINESS, "sub-penny increment"),
    "five decimals below a dollar": ({**LIMIT, "limit_price": "0.12345"}, 422, BUSINESS, "sub-penny increment"),
    "stop with three decimals": ({"type": "stop", "side": "sell", "stop_price": "1.001"}, 422, BUSINESS, "sub-penny"),
    "extended hours at market": ({"extended_hours": True}, 422, BUSINESS, "DAY or GTC limit orders"),
    "extended hours at once": ({**LIMIT, "extended_hours": True, "time_in_force": "ioc"}, 422, BUSINESS, "DAY or GTC limit orders"),
    "coin for a day": ({**COIN, "time_in_force": "day"}, 422, BUSINESS, "invalid crypto time_in_force"),
    "coin at a stop": ({**COIN, "type": "stop", "stop_price": "61000"}, 422, BUSINESS, "invalid order type for crypto"),
    "coin at the opening": ({**COIN, "time_in_force": "opg"}, 422, BUSINESS, "invalid crypto time_in_force"),
    "coin all or nothing": ({**COIN, "time_in_force": "fok"}, 422, BUSINESS, "invalid crypto time_in_force"),
    "coin between two prices": ({**COIN, **LIMIT, "limit_price": "60000.5"}, 422, BUSINESS, "must be a multiple of 1"),
    "coin in crumbs": ({**COIN, "qty": "0.00001"}, 403, FORBIDDEN, "minimal qty of the order is 0.0001"),
    "coin below ten dollars": ({**COIN, "qty": "0.0001"}, 403, FORBIDDEN, "minimal amount of order 10"),
    "coin on margin": ({**COIN, "qty": "20"}, 403, FORBIDDEN, "insufficient balance for USD"),
    "fraction outside of the session": ({**LIMIT, "qty": "1.5", "extended_hours": True}, 422, BUSINESS, "no fractional orders in extended"),
    "stop at the opening": ({"type": "stop", "stop_price": "110", "time_in_force": "opg"}, 422, BUSINESS, "must be market or limit"),
    "order class": ({"order_class": "bracket"}, 422, VALIDATION, "takes only simple orders"),
    "trail of another type": ({"trail_percent": "1"}, 422, VALIDATION, "market orders must not have trail_price or trail_percent"),
    "trailing without a trail": ({"type": "trailing_stop"}, 422, VALIDATION, "one of trail_price or trail_percent"),
    "trailing by two": ({**TRAILING, "trail_percent": "1"}, 422, VALIDATION, "one of trail_price or trail_percent"),
    "trailing by nothing": ({**TRAILING, "trail_price": "0"}, 422, VALIDATION, "trail must be > 0"),
    "trailing by all": ({"type": "trailing_stop", "trail_percent": "100"}, 422, VALIDATION, "trail_percent below 100"),
    "trailing by a part of a cent": ({**TRAILING, "trail_price": "0.005"}, 422, BUSINESS, "sub-penny increment"),
    "trailing at the opening": ({**TRAILING, "time_in_force": "opg"}, 422, BUSINESS, "must be DAY or GTC"),
    "trailing a fraction": ({**TRAILING, "qty": "1.5"}, 422, BUSINESS, "must not be trailing stop orders"),
    "trailing with a stop": ({**TRAILING, "stop_price": "90"}, 422, VALIDATION, "must not have stop_price"),
    "coin that trails": ({**COIN, **TRAILING}, 422, BUSINESS, "invalid order type for crypto"),
    "intent": ({"position_intent": "maybe"}, 422, VALIDATION, "invalid position_intent"),
    "id too long": ({"client_order_id": "x" * 129}, 422, VALIDATION, "client_order_id must be no more than 128 characters"),
    "fraction that may wait": ({"qty": "1.5", "time_in_force": "gtc"}, 422, BUSINESS, "fractional orders must be DAY orders"),
    "dollars that may wait": ({"qty": None, "notional": "50", "time_in_force": "gtc"}, 422, BUSINESS, "fractional orders must be DAY orders"),
    "fraction sold short": ({"qty": "1.5", "side": "sell"}, 422, BUSINESS, "fractional orders cannot be sold short"),
    "too dear": ({"qty": "30000"}, 403, FORBIDDEN, "insufficient buying power"),
    "coin that is not held": ({**COIN, "side": "sell"}, 403, FORBIDDEN, "insufficient balance for BTC/USD"),
}  # fmt: skip


def assert_refused(answer: Any, status: int, code: int | None, words: str) -> None:
    body = answer.json()
    assert (answer.status_code, body.get("code")) == (status, code), answer.text
    assert words in body["message"]


@pytest.mark.parametrize(("terms", "status", "code", "words"), ORDERS.values(), ids=ORDERS)
def test_an_order_is_refused(alpaca: Alpaca, terms: dict[str, Any], status: int, code: int, words: str):
    assert_refused(alpaca.submit(**terms), status, code, words)
    assert alpaca.read("/v2/orders", status="all") == []


@pytest.mark.parametrize(
    "terms",
    [
        {},
        {**LIMIT, "limit_price": "0.1234"},
        {**LIMIT, "extended_hours": True, "time_in_force": "gtc"},
        {"qty": "0.0002", "symbol": "BTC/USD", "time_in_force": "gtc"},
        {**COIN, "type": "stop_limit", "limit_price": "60000", "stop_price": "60001"},
        {"qty": None, "notional": "1.00"},
        {"client_order_id": "x" * 128},
        {"order_class": "simple", "position_intent": "buy_to_open"},
        {"order_class": "", "time_in_force": "opg"},
    ],
    ids=str,
)
def test_what_is_just_allowed_is_taken(alpaca: Alpaca, terms: dict[str, Any]):
    assert alpaca.submit(**terms).status_code == 200


@pytest.mark.parametrize(
    ("rules", "terms", "status", "code", "words"),
    [
        ({"tradable": False}, {}, 422, BUSINESS, "asset AAPL is not tradable"),
        ({"status": "inactive"}, {}, 422, BUSINESS, "asset AAPL is not active"),
        ({"fractionable": False}, {"qty": "1.5"}, 403, FORBIDDEN, 'asset "AAPL" is not fractionable'),
        ({"shortable": False}, {"side": "sell"}, 422, BUSINESS, 'asset "AAPL" cannot be sold short'),
        ({"easy_to_borrow": False}, {"side": "sell"}, 422, BUSINESS, "is hard to borrow"),
    ],
    ids=["not tradable", "inactive", "whole shares only", "not shortable", "hard to borrow"],
)
def test_an_asset_forbids(
    alpaca: Alpaca, control: Control, rules: dict[str, Any], terms: dict[str, Any], status: int, code: int, words: str
):
    control.do("PUT", "/assets/AAPL", rules)
    assert_refused(alpaca.submit(**terms), status, code, words)
    control.do("DELETE", "/assets/AAPL")
    assert alpaca.submit(**(terms | {"side": "buy"})).status_code == 200


@pytest.mark.parametrize(
    ("state", "terms", "words"),
    [
        ({"blocked": "under review"}, {}, "account is blocked: under review"),
        ({"trade_suspended": True}, {}, "trading is suspended by the user"),
        ({"shorting_enabled": False}, {"side": "sell"}, "account is not allowed to short"),
    ],
    ids=["blocked", "suspended", "no short selling"],
)
def test_an_account_forbids(alpaca: Alpaca, control: Control, state: dict[str, Any], terms: dict[str, Any], words: str):
    control.do("PUT", "/account", state)
    assert_refused(alpaca.submit(**terms), 403, FORBIDDEN, words)


@pytest.mark.parametrize("ended", [False, True], ids=["open", "canceled"])
def test_a_client_order_id_is_taken_once_even_when_its_order_has_ended(alpaca: Alpaca, control: Control, ended: bool):
    alpaca.order(client_order_id="mine")
    if ended:
        control.do("POST", "/orders/mine/cancel")
    assert_refused(alpaca.submit(client_order_id="mine"), 422, VALIDATION, "client_order_id must be unique")


def test_more_than_is_held_is_refused_and_the_answer_counts_it(alpaca: Alpaca):
    alpaca.filled(qty="10")
    resting = alpaca.order(side="sell", qty="4", type="limit", limit_price="120")
    answer = alpaca.submit(side="sell", qty="7")
    assert_refused(answer, 403, FORBIDDEN, "insufficient qty available for order (requested: 7, available: 6)")
    counted = {name: value for name, value in answer.json().items() if name not in ("code", "message")}
    assert counted == {
        "symbol": "AAPL", "available": "6", "existing_qty": "10", "held_for_orders": "4", "related_orders": [resting["id"]],
    }  # fmt: skip


def test_trading_with_oneself_is_refused(alpaca: Alpaca):
    first = alpaca.order()
    answer = alpaca.submit(side="sell")
    assert_refused(answer, 403, FORBIDDEN, "potential wash trade")
    assert answer.json()["existing_order_id"] == first["id"]
    assert "opposite side" in answer.json()["reject_reason"]


def test_a_body_that_is_no_object_is_malformed(alpaca: Alpaca):
    for text in ("{", "[]", ""):
        assert_refused(alpaca.call("POST", "/v2/orders", data=text), 400, MALFORMED, "body format is invalid")


@pytest.mark.parametrize(
    ("path", "query", "status", "code", "words"),
    [
        (f"/v2/orders/{NOBODY}", {}, 404, NOT_FOUND, "order not found"),
        ("/v2/orders/mine", {}, 422, VALIDATION, "order_id is missing"),
        ("/v2/orders:by_client_order_id", {"client_order_id": "nobody"}, 404, NOT_FOUND, "order not found"),
        ("/v2/orders:by_client_order_id", {}, 422, VALIDATION, "client_order_id is missing"),
        ("/v2/orders", {"status": "some"}, 422, VALIDATION, "invalid status"),
        ("/v2/orders", {"direction": "up"}, 422, VALIDATION, "invalid direction"),
        ("/v2/orders", {"limit": 501}, 422, VALIDATION, "limit must be between 1 and 500"),
        ("/v2/orders", {"limit": "all"}, 422, VALIDATION, "limit must be between 1 and 500"),
        ("/v2/orders", {"after": "yesterday"}, 422, VALIDATION, "invalid after"),
        ("/v2/positions/AAPL", {}, 404, NOT_FOUND, "position does not exist"),
        ("/v2/assets/ZZZZQ", {}, 404, NOT_FOUND, "asset not found for ZZZZQ"),
        ("/v2/account/activities", {"page_size": 101}, 422, VALIDATION, "page_size must be between 1 and 100"),
        ("/v2/stocks/quotes/latest", {}, 400, None, "symbols is required"),
        ("/v2/stocks/quotes/latest", {"symbols": "AAPL,no.such"}, 400, None, "invalid symbol: no.such"),
        ("/v2/stocks/BTC/quotes/latest", {}, 200, None, ""),
        ("/v1beta3/crypto/us/latest/quotes", {"symbols": "AAPL"}, 400, None, "invalid symbol: AAPL"),
        ("/v2/nothing", {}, 404, None, "not found"),
    ],
)  # fmt: skip
def test_a_read_is_refused(alpaca: Alpaca, path: str, query: dict[str, Any], status: int, code: int | None, words: str):
    answer = alpaca.get(path, **query)
    if status == 200:
        assert answer.status_code == 200
    else:
        assert_refused(answer, status, code, words)


def test_an_order_that_has_ended_can_neither_be_canceled_nor_replaced(alpaca: Alpaca):
    order = alpaca.filled()
    assert_refused(alpaca.cancel(order), 422, BUSINESS, 'order is already in "filled" state')
    assert_refused(alpaca.replace(order, qty="5"), 422, BUSINESS, 'order is in "filled" state')


def test_an_unknown_order_cannot_be_canceled(alpaca: Alpaca):
    assert_refused(alpaca.cancel({"id": NOBODY}), 404, NOT_FOUND, "order not found")


def test_orders_on_their_way_out_or_for_dollars_cannot_be_replaced(alpaca: Alpaca):
    leaving, dollars = alpaca.order(), alpaca.order(qty=None, notional="100")
    alpaca.cancel(leaving)
    assert_refused(alpaca.replace(leaving, qty="5"), 422, BUSINESS, 'order is in "pending_cancel" state')
    assert_refused(alpaca.replace(dollars, qty="5"), 422, BUSINESS, "notional orders cannot be replaced")


def test_no_replacement_is_for_less_than_was_filled(alpaca: Alpaca, control: Control):
    order = alpaca.order(client_order_id="mine")
    control.do("POST", "/orders/mine/fill", {"quantity": "4"})
    assert_refused(alpaca.replace(order, qty="4"), 422, BUSINESS, "qty must be greater than what is filled")
    assert_refused(alpaca.replace(order, side="sell"), 422, VALIDATION, "unknown field side")
    assert alpaca.status(order) == "partially_filled"


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"APCA-API-KEY-ID": "PKSIMULATOR000000000"},
        {"APCA-API-KEY-ID": "PKSIMULATOR000000000", "APCA-API-SECRET-KEY": "wrong"},
        {"APCA-API-KEY-ID": "PKNOBODY", "APCA-API-SECRET-KEY": "simulator-secret"},
    ],
    ids=["none", "no secret", "wrong secret", "unknown"],
)
@pytest.mark.parametrize("path", ["/v2/account", "/v2/stocks/quotes/latest", "/v1beta3/crypto/us/latest/quotes"])
def test_wrong_keys_are_answered_401_without_a_code(control: Control, keys: dict[str, str], path: str):
    answer = control.call("GET", path, headers={**keys, "Upgrade": "websocket"})
    assert (answer.status_code, answer.json()) == (401, {"message": "unauthorized."})


def test_keys_that_were_revoked_open_nothing(alpaca: Alpaca, control: Control):
    control.do("PUT", "/account", {"revoke": True})
    assert_refused(alpaca.get("/v2/account"), 401, None, "unauthorized.")


def test_the_broker_api_wants_keys_of_its_own(alpaca: Alpaca, broker: Caller):
    assert broker.get("/v1/accounts").status_code == 200
    assert_refused(alpaca.get("/v1/accounts"), 401, None, "unauthorized.")


def test_a_key_that_is_known_opens_no_second_account(alpaca: Alpaca, control: Control):
    alpaca.filled()
    answer = control.call("POST", "/sim/keys", {"key": "PKSIMULATOR000000000", "secret": "simulator-secret"})
    assert_refused(answer, 409, None, "an account has this key")
    assert [row["symbol"] for row in alpaca.read("/v2/positions")] == ["AAPL"]


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("PUT", "/quotes/AAPL", {"bid": "2", "ask": "1"}, "the ask not below the bid"),
        ("PUT", "/quotes/AAPL", {"bid": "2"}, "bid and ask must be above 0"),
        ("PUT", "/quotes/FOO/USD", {"bid": "1", "ask": "2"}, "no asset has this symbol"),
        ("PUT", "/assets/AAPL", {"colour": "red"}, "colour must be one of"),
        ("PUT", "/clock", {"mode": "broken"}, "mode always or real"),
        ("PUT", "/clock", {}, "say is_open true or false"),
        ("POST", "/time", {"advance": -1}, "advance must be a number"),
        ("POST", "/keys", {"key": "PK"}, "key and secret must be texts"),
        ("PUT", "/account", {"key": "PKNOBODY"}, "no account has this key"),
        ("POST", "/faults", {"kind": "earthquake"}, "kind must be one of: "),
        ("POST", "/faults", {"kind": "delay"}, "delay needs seconds"),
        ("POST", "/faults", {"kind": "partial"}, "partial needs a quantity above 0"),
        ("POST", "/faults", {"kind": "reject", "times": 0}, "times must be a whole number"),
        ("POST", "/faults", {"kind": "delay", "seconds": -1}, "seconds must be from 0"),
        ("POST", "/faults", {"kind": "reject", "where": "there"}, "where must be"),
        ("POST", "/faults", {"kind": "late", "seconds": 1, "where": "reads"}, "late is for orders only"),
        ("POST", "/faults", {"kind": "reject", "symbol": 1}, "symbol must be a text"),
    ],
)  # fmt: skip
def test_the_control_says_what_is_wrong(control: Control, method: str, path: str, body: Any, words: str):
    assert_refused(control.call(method, f"/sim{path}", body), 400, None, words)


def test_the_control_knows_orders_and_quantities(control: Control):
    assert_refused(control.call("POST", "/sim/orders/nobody/fill"), 404, None, "no order has this client order id")
    control.do("POST", "/orders", make_order(client_order_id="mine"))
    answer = control.call("POST", "/sim/orders/mine/fill", {"quantity": "11"})
    assert_refused(answer, 400, None, "not so much is left to fill")


PTP = {"attributes": ["ptp_no_exception"]}
OVERNIGHT = {**LIMIT, "extended_hours": True}


def test_attributes_of_an_asset_and_flags_of_an_account_forbid_and_allow(alpaca: Alpaca, control: Control):
    control.do("PUT", "/assets/AAPL", PTP)
    assert_refused(alpaca.submit(), 403, FORBIDDEN, "is a PTP")
    control.do("PUT", "/account", {"takes_ptp": True})
    assert alpaca.submit().status_code == 200
    control.do("PUT", "/account", {"crypto_status": "INACTIVE"})
    assert_refused(alpaca.submit(**COIN), 403, FORBIDDEN, "not enabled for this account: INACTIVE")
    control.do("PUT", "/assets/MSFT", {"attributes": ["fractional_eh_enabled"]})
    assert alpaca.submit(**OVERNIGHT, symbol="MSFT", qty="1.5").status_code == 200


def test_the_night_is_for_what_is_traded_overnight(alpaca: Alpaca, control: Control):
    control.do("PUT", "/clock", {"is_open": False, "overnight": True})
    assert_refused(alpaca.submit(**OVERNIGHT), 422, BUSINESS, "not tradable in the overnight session")
    control.do("PUT", "/assets/AAPL", {"attributes": ["overnight_tradable"]})
    assert alpaca.submit(**OVERNIGHT).status_code == 200
    control.do("PUT", "/assets/AAPL", {"attributes": ["overnight_tradable", "overnight_halted"]})
    assert_refused(alpaca.submit(**OVERNIGHT), 422, BUSINESS, "halted for the overnight session")
    assert alpaca.submit().status_code == 200  # it waits for the morning
    phases = {
        clock["market"]["acronym"]: clock["phase"] for clock in alpaca.read("/v3/clock", markets="NYSE,BOATS")["clocks"]
    }
    assert phases == {"NYSE": "closed", "BOATS": "core"}


def test_a_short_sale_counts_three_percent_above_the_ask(alpaca: Alpaca, control: Control):
    control.do("PUT", "/quotes/AAPL", {"bid": "100", "ask": "100"})
    control.do("PUT", "/account", {"cash": "515"})
    assert_refused(alpaca.submit(side="sell", qty="11"), 403, FORBIDDEN, "insufficient buying power")
    assert alpaca.submit(side="sell", qty="10").status_code == 200
