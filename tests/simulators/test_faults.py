"""Each fault that the control can order does what its name says, as often as was said."""

import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from simulators.alpaca.faults import KINDS
from simulators.alpaca.server import run_in_thread
from tests.simulators.support import FILL_AFTER, Alpaca, Caller, Control, make_order


def placed(control: Control) -> list[str]:
    """Return the client order ids of all orders that arrived."""
    return [order["client_order_id"] for order in control.book()["orders"]]


@pytest.mark.parametrize(
    ("kind", "status", "arrives"),
    [
        ("status_500", 500, False),
        ("status_503", 503, False),
        ("status_504", 504, False),
        ("status_500_after", 500, True),
        ("status_504_after", 504, True),
        ("unauthorized", 401, False),
        ("rate_limit", 429, False),
    ],
)
def test_an_error_is_answered_once_and_the_order_arrives_or_not(
    alpaca: Alpaca, control: Control, kind: str, status: int, arrives: bool
):
    control.fault(kind)
    answer = alpaca.submit(client_order_id="first")
    assert answer.status_code == status
    assert set(answer.json()) == {"message"}
    assert placed(control) == (["first"] if arrives else [])
    assert alpaca.submit(client_order_id="second").status_code == 200
    assert control.faults_done() == [1]


def test_a_rate_limit_on_order_says_when_it_ends(alpaca: Alpaca, control: Control):
    control.fault("rate_limit", seconds=30)
    headers = alpaca.submit().headers
    assert headers["X-RateLimit-Remaining"] == "0"
    assert 28 <= int(headers["X-RateLimit-Reset"]) - time.time() <= 30


@pytest.mark.parametrize(("kind", "arrives"), [("drop_before", False), ("drop_after", True)])
def test_a_cut_connection_gives_no_answer(alpaca: Alpaca, control: Control, kind: str, arrives: bool):
    control.fault(kind)
    with pytest.raises(requests.ConnectionError):
        alpaca.submit(client_order_id="first")
    assert placed(control) == (["first"] if arrives else [])


def test_a_late_order_arrives_when_its_sender_has_given_up(alpaca: Alpaca, control: Control):
    control.fault("late", seconds=60)
    with pytest.raises(requests.ConnectionError):
        alpaca.submit(client_order_id="first")
    control.advance(59)
    assert placed(control) == []
    control.advance(2)
    assert placed(control) == ["first"]


def test_a_late_order_that_is_refused_harms_nobody(alpaca: Alpaca, control: Control):
    for body in ({"symbol": "AAPL"}, [], "no order"):
        control.fault("late", seconds=1)
        with pytest.raises(requests.ConnectionError):
            alpaca.call("POST", "/v2/orders", body)
    control.advance(2)
    assert alpaca.filled()["status"] == "filled"


def test_a_hidden_order_is_shown_after_a_while_and_its_id_is_taken_at_once(alpaca: Alpaca, control: Control):
    control.fault("hidden", seconds=60)
    with pytest.raises(requests.ConnectionError):
        alpaca.submit(client_order_id="first")

    def found() -> list[int]:
        by_id = alpaca.get("/v2/orders:by_client_order_id", client_order_id="first")
        return [by_id.status_code, len(alpaca.read("/v2/orders", status="all"))]

    assert found() == [404, 0]
    assert alpaca.submit(client_order_id="first").json()["message"] == "client_order_id must be unique"
    control.advance(61)
    assert found() == [200, 1]


def test_a_delayed_answer_is_of_an_order_that_was_placed_at_once(alpaca: Alpaca, control: Control):
    control.fault("delay", seconds=5)
    with pytest.raises(requests.ReadTimeout):
        alpaca.call("POST", "/v2/orders", make_order(client_order_id="first"), timeout=0.2)
    assert placed(control) == ["first"]


def test_a_trickling_answer_comes_a_byte_a_second(alpaca: Alpaca, control: Control):
    control.fault("trickle")
    began = time.monotonic()
    answer = alpaca.call("POST", "/v2/orders", make_order(client_order_id="first"), stream=True, timeout=0.5)
    letters = answer.iter_content(1)
    assert next(letters) == b"{"
    assert time.monotonic() - began < 0.5
    with pytest.raises(requests.ConnectionError, match="timed out"):
        next(letters)
    assert placed(control) == ["first"]


def test_garbage_is_answered_200_and_the_order_arrives(alpaca: Alpaca, control: Control):
    control.fault("garbage")
    answer = alpaca.submit(client_order_id="first")
    assert answer.status_code == 200
    with pytest.raises(ValueError):
        answer.json()
    assert placed(control) == ["first"]


def test_the_wrong_order_is_answered_and_the_right_one_arrives(alpaca: Alpaca, control: Control):
    control.fault("wrong_order")
    answered = alpaca.submit(client_order_id="first").json()
    assert answered["client_order_id"] == "somebody-else"
    (arrived,) = control.book()["orders"]
    assert arrived["client_order_id"] == "first"
    assert arrived["id"] != answered["id"]


def test_an_order_is_rejected_at_once(alpaca: Alpaca, control: Control):
    control.fault("reject", reason="no more of that")
    answer = alpaca.submit()
    assert (answer.status_code, answer.json()) == (403, {"code": 40310000, "message": "no more of that"})
    assert placed(control) == []


def test_an_order_is_rejected_after_it_was_taken(alpaca: Alpaca, control: Control):
    control.fault("reject_later")
    order = alpaca.order()
    assert order["status"] == "pending_new"
    control.advance(FILL_AFTER)
    rejected = alpaca.again(order)
    assert (rejected["status"], rejected["filled_qty"]) == ("rejected", "0")
    assert rejected["failed_at"] is not None


def test_an_order_is_filled_in_part_and_rests_until_it_is_told_to_go_on(alpaca: Alpaca, control: Control):
    control.fault("partial", quantity="4")
    order = alpaca.filled(client_order_id="first")
    control.advance(60)
    assert (alpaca.status(order), alpaca.again(order)["filled_qty"]) == ("partially_filled", "4")
    assert control.book()["resting"] == ["first"]
    control.do("POST", "/orders/first/fill")
    assert (alpaca.status(order), alpaca.again(order)["filled_qty"]) == ("filled", "10")


def test_an_order_works_until_it_is_told_to_fill(alpaca: Alpaca, control: Control):
    control.fault("work")
    order = alpaca.filled(client_order_id="first")
    control.advance(3600)
    assert alpaca.status(order) == "new"
    control.do("POST", "/orders/first/fill")
    assert alpaca.status(order) == "filled"


def test_an_order_fills_slowly(alpaca: Alpaca, control: Control):
    control.fault("slow_fill", seconds=60)
    order = alpaca.order()
    control.advance(50)
    control.quote("AAPL", 99, 99)  # another quote does not make it faster
    assert alpaca.status(order) == "new"
    control.advance(20)
    assert alpaca.status(order) == "filled"


def test_a_cancel_is_crossed_by_the_fill(alpaca: Alpaca, control: Control):
    control.fault("cancel_fills")
    order = alpaca.order()
    assert alpaca.cancel(order).status_code == 204
    assert alpaca.status(order) == "filled"


def test_a_cancel_is_ignored(alpaca: Alpaca, control: Control):
    control.fault("cancel_ignored")
    order = alpaca.order(client_order_id="first")
    assert alpaca.cancel(order).status_code == 204
    control.advance(3600)
    assert alpaca.status(order) == "filled"  # nothing came of the cancel


@pytest.mark.parametrize("kind", ["html_401", "html_404", "html_502"])
def test_a_page_of_a_proxy_is_answered_and_nothing_is_done(alpaca: Alpaca, control: Control, kind: str):
    control.fault(kind)
    answer = alpaca.submit()
    assert (answer.status_code, answer.headers["Content-Type"]) == (int(kind[-3:]), "text/html; charset=utf-8")
    assert control.book()["orders"] == []


def test_a_replacement_that_is_late_finds_the_order_filled(alpaca: Alpaca, control: Control):
    order = alpaca.order(type="limit", limit_price="90")
    control.fault("replace_late", seconds=60)
    new = alpaca.replace(order, limit_price="91").json()
    control.quote("AAPL", 89, 90)
    control.advance(61)
    assert (alpaca.status(order), alpaca.status(new)) == ("filled", "rejected")


def test_a_fault_of_cancels_does_not_touch_orders(alpaca: Alpaca, control: Control):
    control.fault("status_503", where="cancels")
    order = alpaca.order()
    assert alpaca.cancel(order).status_code == 503
    assert alpaca.cancel(order).status_code == 204


def test_a_fault_waits_for_its_symbol_whichever_way_it_is_written(alpaca: Alpaca, control: Control):
    control.fault("status_500", symbol="BTC/USD")
    assert alpaca.submit().status_code == 200
    coin: dict[str, Any] = {"symbol": "BTCUSD", "qty": "1", "time_in_force": "gtc"}
    assert [alpaca.submit(**coin).status_code for _ in range(2)] == [500, 200]


def test_a_fault_happens_as_often_as_was_said(alpaca: Alpaca, control: Control):
    control.fault("reject", times=2)
    assert [alpaca.submit().status_code for _ in range(3)] == [403, 403, 200]
    assert control.faults_done() == [2]


def test_faults_go_first_come_first_served_and_can_be_forgotten(alpaca: Alpaca, control: Control):
    for kind in ("status_500", "status_503", "status_504"):
        control.fault(kind)
    assert [alpaca.submit().status_code for _ in range(2)] == [500, 503]
    control.do("DELETE", "/faults")
    assert alpaca.submit().status_code == 200
    assert control.faults_done() == [1, 1, 0]


@pytest.mark.parametrize(
    ("where", "hit", "missed"),
    [
        ("reads", ["/v2/account", "/v1/accounts"], []),
        ("any", ["/v2/clock", "/v1/accounts"], []),
        ("/v2/positions", ["/v2/positions", "/v2/positions/AAPL"], ["/v2/account", "/v1/accounts"]),
        ("orders", [], ["/v2/orders", "/v2/account"]),
    ],
)
def test_a_fault_has_its_place(
    alpaca: Alpaca, broker: Caller, control: Control, where: str, hit: list[str], missed: list[str]
):
    control.fault("status_503", where=where, times=10)
    for path in (*hit, *missed):
        caller = broker if path.startswith("/v1/") else alpaca
        assert (caller.get(path).status_code == 503) is (path in hit)


def test_the_control_itself_never_fails(control: Control):
    control.fault("status_500", where="any")
    assert control.do("GET", "/health") == {"ok": True}


def test_requests_are_counted_by_route(alpaca: Alpaca, control: Control):
    for symbol in ("AAPL", "MSFT"):
        alpaca.get(f"/v2/positions/{symbol}")
    assert control.book()["requests"] == {"GET /v2/positions/{symbol}": 2}


def test_more_requests_than_a_minute_allows_are_answered_429():
    with (
        closing(run_in_thread(rate_limit=2)) as running,
        closing(Control(running.url)) as control,
        closing(Alpaca(running.url, control)) as alpaca,
    ):
        answers = [alpaca.get("/v2/clock") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
        assert {answer.headers["X-RateLimit-Limit"] for answer in answers} == {"2"}
        assert answers[2].json() == {"message": "too many requests."}
        assert 50 < int(answers[2].headers["X-RateLimit-Reset"]) - time.time() <= 60


def test_every_kind_of_fault_has_a_test():
    source = Path(__file__).read_text()
    elsewhere = {"duplicate_event", "cancel_rejected", "replace_rejected"}  # of streams
    assert {kind for kind in KINDS - elsewhere if f'"{kind}"' not in source} == set()
