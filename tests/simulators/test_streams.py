"""The two web sockets, message by message."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import msgpack
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from simulators.alpaca.keys import KEY, SECRET
from simulators.alpaca.server import Running
from tests.simulators.support import FILL_AFTER, Alpaca, Control

SECONDS = 5
AUTHENTICATE = {"action": "authenticate", "data": {"key_id": KEY, "secret_key": SECRET}}
LISTEN = {"action": "listen", "data": {"streams": ["trade_updates"]}}
AUTH = {"action": "auth", "key": KEY, "secret": SECRET}


class Socket:
    """A web socket that speaks JSON, or MessagePack."""

    def __init__(self, ws: ClientConnection, *, packed: bool) -> None:
        self.ws, self._packed = ws, packed

    def say(self, message: Any) -> None:
        self.ws.send(msgpack.packb(message) if self._packed else json.dumps(message))

    def hear(self, seconds: float = SECONDS) -> Any:
        raw = self.ws.recv(seconds)
        return msgpack.unpackb(raw, timestamp=3) if self._packed else json.loads(raw)

    def ask(self, message: Any) -> Any:
        self.say(message)
        return self.hear()

    def is_silent(self) -> bool:
        try:
            self.ws.recv(0.1)
        except TimeoutError:
            return True
        return False

    def is_cut(self) -> bool:
        try:
            while True:
                self.ws.recv(SECONDS)
        except ConnectionClosed:
            return True


Open = Callable[..., Socket]


@pytest.fixture
def open_socket(simulator: Running) -> Iterator[Open]:
    with ExitStack() as stack:

        def open_socket(path: str, *, packed: bool = False) -> Socket:
            headers = {"Content-Type": "application/msgpack"} if packed else {}
            url = simulator.url.replace("http", "ws") + path
            ws = stack.enter_context(connect(url, additional_headers=headers, close_timeout=1, proxy=None))
            return Socket(ws, packed=packed)

        yield open_socket


@pytest.fixture
def updates(open_socket: Open) -> Socket:
    """A connection that hears the account's trade updates."""
    socket = open_socket("/stream")
    assert socket.ask(AUTHENTICATE)["data"]["status"] == "authorized"
    socket.ask(LISTEN)
    return socket


@pytest.fixture
def quotes(open_socket: Open) -> Socket:
    """A connection to the shares' data, with its keys accepted."""
    socket = open_socket("/v2/iex")
    assert socket.hear() == [{"T": "success", "msg": "connected"}]
    assert socket.ask(AUTH) == [{"T": "success", "msg": "authenticated"}]
    return socket


def events_of(socket: Socket, count: int) -> list[dict[str, Any]]:
    messages = [socket.hear() for _ in range(count)]
    assert {message["stream"] for message in messages} == {"trade_updates"}
    return [message["data"] for message in messages]


def test_a_client_says_who_it_is_and_then_what_it_wants_to_hear(open_socket: Open):
    socket = open_socket("/stream")
    assert socket.ask(AUTHENTICATE) == {
        "stream": "authorization", "data": {"status": "authorized", "action": "authenticate"},
    }  # fmt: skip
    assert socket.ask(LISTEN) == {"stream": "listening", "data": {"streams": ["trade_updates"]}}


def test_wrong_keys_are_told_and_cut_off(open_socket: Open):
    socket = open_socket("/stream")
    refused = socket.ask({"action": "authenticate", "data": {"key_id": KEY, "secret_key": "wrong"}})
    assert refused == {"stream": "authorization", "data": {"status": "unauthorized", "action": "authenticate"}}
    assert socket.is_cut()


def test_who_has_not_said_who_it_is_hears_nothing(open_socket: Open, alpaca: Alpaca):
    socket = open_socket("/stream")
    assert socket.ask(LISTEN) == {"stream": "authorization", "data": {"status": "unauthorized", "action": "listen"}}
    alpaca.order()
    assert socket.is_silent()


@pytest.mark.parametrize(
    "nonsense", ["{", "[]", "1", '{"action": "dance"}', '{"action": "authenticate", "data": "mine"}']
)
def test_nonsense_does_no_harm(updates: Socket, alpaca: Alpaca, nonsense: str):
    updates.ws.send(nonsense)
    alpaca.order()
    assert events_of(updates, 1)[0]["event"] == "pending_new"


def test_an_order_is_told_step_by_step_in_binary_frames_for_a_paper_key(
    updates: Socket, alpaca: Alpaca, control: Control
):
    order = alpaca.order()
    control.do("POST", f"/orders/{order['client_order_id']}/fill", {"quantity": "4", "price": "99"})
    control.advance(FILL_AFTER)
    raw = updates.ws.recv(SECONDS)
    assert isinstance(raw, bytes)
    assert json.loads(raw)["data"]["event"] == "pending_new"
    new, part, fill = events_of(updates, 3)
    assert [event["event"] for event in (new, part, fill)] == ["new", "partial_fill", "fill"]
    assert [event["order"]["status"] for event in (new, part, fill)] == ["new", "partially_filled", "filled"]
    assert (part["price"], part["qty"], part["position_qty"], part["order"]["filled_qty"]) == ("99", "4", "4", "4")
    assert (fill["price"], fill["qty"], fill["position_qty"], fill["order"]["filled_qty"]) == ("100", "6", "10", "10")
    assert fill["order"]["filled_avg_price"] == "99.6"
    assert "timestamp" in fill
    assert "timestamp" not in new
    assert part["execution_id"] != fill["execution_id"]
    rows = alpaca.read("/v2/account/activities/FILL", direction="asc")
    assert {row["id"].partition("::")[2] for row in rows} == {part["execution_id"], fill["execution_id"]}


def test_a_live_key_is_told_in_text_frames(open_socket: Open, alpaca: Alpaca, control: Control):
    control.do("POST", "/keys", {"key": "AKLIVE", "secret": "s"})
    socket = open_socket("/stream")
    socket.say({"action": "authenticate", "data": {"key_id": "AKLIVE", "secret_key": "s"}})
    assert isinstance(socket.ws.recv(SECONDS), str)
    socket.ask(LISTEN)
    alpaca.order()  # somebody else's
    assert socket.is_silent()


@pytest.mark.parametrize(
    ("deed", "told"),
    [
        ("cancel", ["pending_cancel", "canceled"]),
        ("replace", ["pending_replace", "replaced", "new"]),
        ("expire", ["expired"]),
    ],
)
def test_each_end_of_an_order_is_told(updates: Socket, alpaca: Alpaca, control: Control, deed: str, told: list[str]):
    order = alpaca.order(type="limit", limit_price="90", client_order_id="mine")
    events_of(updates, 2)
    if deed == "cancel":
        alpaca.cancel(order)
    elif deed == "replace":
        alpaca.replace(order, limit_price="91")
    else:
        control.do("POST", "/orders/mine/expire")
    control.advance(FILL_AFTER)
    assert [event["event"] for event in events_of(updates, len(told))] == told


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("cancel_rejected", ["pending_cancel", "order_cancel_rejected"]),
        ("replace_rejected", ["pending_replace", "rejected", "order_replace_rejected"]),
    ],
)
def test_what_is_refused_after_its_answer_is_told(
    updates: Socket, alpaca: Alpaca, control: Control, kind: str, told: list[str]
):
    order = alpaca.order(type="limit", limit_price="90")
    events_of(updates, 2)
    control.fault(kind)
    answer = alpaca.cancel(order) if kind == "cancel_rejected" else alpaca.replace(order, limit_price="91")
    assert answer.ok
    control.advance(FILL_AFTER)
    assert [event["event"] for event in events_of(updates, len(told))] == told
    assert alpaca.status(order) == "new"


@pytest.mark.parametrize("status", ["stopped", "suspended", "calculated", "done_for_day"])
def test_a_rare_state_is_told(updates: Socket, alpaca: Alpaca, control: Control, status: str):
    order = alpaca.order(type="limit", limit_price="90", client_order_id="mine")
    events_of(updates, 2)
    control.do("POST", "/orders/mine/status", {"status": status})
    assert [event["event"] for event in events_of(updates, 1)] == [status]
    control.quote("AAPL", 89, 90)
    assert alpaca.status(order) == ("filled" if status == "stopped" else status)


def test_a_rejection_after_the_fact_is_told(updates: Socket, alpaca: Alpaca, control: Control):
    control.fault("reject_later")
    alpaca.filled()
    assert [event["event"] for event in events_of(updates, 2)] == ["pending_new", "rejected"]


def test_a_duplicate_event_is_the_same_twice(updates: Socket, alpaca: Alpaca, control: Control):
    alpaca.order()
    events_of(updates, 2)
    control.fault("duplicate_event", symbol="AAPL")
    control.advance(FILL_AFTER)
    first, second = events_of(updates, 2)
    assert first == second
    assert first["event"] == "fill"
    assert control.faults_done() == [1]


def test_who_listens_to_nothing_any_more_hears_nothing(updates: Socket, alpaca: Alpaca):
    stopped = updates.ask({"action": "listen", "data": {"streams": []}})
    assert stopped == {"stream": "listening", "data": {"streams": []}}
    alpaca.order()
    assert updates.is_silent()


def test_what_happened_before_is_not_told_again(open_socket: Open, alpaca: Alpaca):
    alpaca.filled()
    socket = open_socket("/stream")
    socket.ask(AUTHENTICATE)
    socket.ask(LISTEN)
    assert socket.is_silent()


def test_the_control_cuts_streams_and_refuses_new_ones(updates: Socket, open_socket: Open, control: Control):
    assert control.do("GET", "/streams") == [{"kind": "trade_updates", "key": KEY, "listening": True}]
    assert control.do("POST", "/streams", {"drop": True, "refuse": 60}) == {"dropped": 1}
    assert updates.is_cut()
    with pytest.raises(InvalidStatus) as refused:
        open_socket("/stream")
    assert refused.value.response.status_code == 429
    control.do("POST", "/streams", {"refuse": 0})
    assert open_socket("/stream").ask(AUTHENTICATE)["data"]["status"] == "authorized"


def test_a_silent_stream_answers_no_ping_and_tells_late(updates: Socket, alpaca: Alpaca, control: Control):
    control.do("POST", "/streams", {"silence": 60})
    alpaca.order()
    assert not updates.ws.ping().wait(0.1)
    assert updates.is_silent()
    control.do("POST", "/streams", {"silence": 0})
    assert events_of(updates, 1)[0]["event"] == "pending_new"
    assert updates.ws.ping().wait(SECONDS)


def test_a_subscription_is_answered_with_all_that_is_subscribed(quotes: Socket):
    quotes.ask({"action": "subscribe", "quotes": ["MSFT"], "trades": ["SPY"]})
    while (answer := quotes.ask({"action": "subscribe", "quotes": ["AAPL"]})[0])["T"] != "subscription":
        pass
    assert (answer["quotes"], answer["trades"], answer["bars"]) == (["AAPL", "MSFT"], ["SPY"], [])


def test_a_quote_is_told_when_it_changes(quotes: Socket, control: Control):
    quotes.ask({"action": "subscribe", "quotes": ["AAPL"]})
    control.quote("AAPL", 101, 102)
    quote = heard(quotes, lambda row: row["bp"] == 101)
    assert (quote["T"], quote["S"], quote["bp"], quote["ap"]) == ("q", "AAPL", 101, 102)
    assert set(quote) == {"T", "S", "bp", "bs", "bx", "ap", "as", "ax", "c", "t", "z"}


def test_what_is_unsubscribed_is_told_no_more(quotes: Socket, control: Control):
    quotes.ask({"action": "subscribe", "quotes": ["AAPL"]})
    quotes.say({"action": "unsubscribe", "quotes": ["AAPL"]})
    heard(quotes, lambda row: row["T"] == "subscription")
    control.quote("AAPL", 101, 102)
    assert quotes.is_silent()


def test_a_trade_comes_with_the_quote_and_times_are_messagepacks_own(open_socket: Open, control: Control):
    socket = open_socket("/v2/sip", packed=True)
    assert socket.hear() == [{"T": "success", "msg": "connected"}]
    socket.ask(AUTH)
    socket.ask({"action": "subscribe", "trades": ["AAPL"]})
    control.quote("AAPL", 101, 103)
    trade = heard(socket, lambda row: row["p"] == 102)
    assert (trade["T"], trade["S"]) == ("t", "AAPL")
    assert abs(trade["t"].timestamp() - time.time()) < 5


def test_coins_have_a_stream_of_their_own(open_socket: Open, control: Control):
    socket = open_socket("/v1beta3/crypto/us")
    socket.hear()
    socket.ask(AUTH)
    assert socket.ask({"action": "subscribe", "quotes": ["BTCUSD"]})[0]["quotes"] == ["BTC/USD"]
    control.quote("BTC/USD", 101, 102)
    assert heard(socket, lambda row: row["bp"] == 101)["S"] == "BTC/USD"


def test_who_asks_for_a_coin_that_does_not_exist_spoils_it_for_nobody(quotes: Socket, control: Control):
    quotes.ask({"action": "subscribe", "quotes": ["FOO/USD", "AAPL", "ZZZZ"]})
    control.quote("AAPL", 101, 102)
    assert heard(quotes, lambda row: row["bp"] == 101)["S"] == "AAPL"


@pytest.mark.parametrize(
    ("messages", "code", "words"),
    [
        ([{"action": "subscribe", "quotes": ["AAPL"]}], 401, "not authenticated"),
        ([{"action": "auth", "key": KEY, "secret": "wrong"}], 402, "auth failed"),
        ([AUTH, AUTH], 403, "already authenticated"),
        ([AUTH, {"action": "dance"}], 400, "invalid syntax"),
        ([AUTH, ["subscribe"]], 400, "invalid syntax"),
        ([AUTH, {"action": "subscribe", "quotes": "AAPL"}], 400, "invalid syntax"),
        ([AUTH, {"action": "subscribe", "quotes": [f"A{chr(65 + n // 6)}{chr(65 + n % 6)}" for n in range(31)]}], 405, "symbol limit exceeded"),
    ],
)  # fmt: skip
def test_the_data_stream_says_what_is_wrong(open_socket: Open, messages: list[Any], code: int, words: str):
    socket = open_socket("/v2/iex")
    socket.hear()
    answers = [socket.ask(message) for message in messages]
    assert answers[-1] == [{"T": "error", "code": code, "msg": words}]


def test_a_second_connection_with_the_same_keys_is_one_too_many(quotes: Socket, open_socket: Open, control: Control):
    second = open_socket("/v2/iex")
    second.hear()
    assert second.ask(AUTH) == [{"T": "error", "code": 406, "msg": "connection limit exceeded"}]
    assert second.is_cut()
    quotes.ask({"action": "subscribe", "quotes": ["AAPL"]})
    assert heard(quotes, lambda row: row["T"] == "q")


def heard(socket: Socket, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return the first row that is wanted; other quotes may come before."""
    while True:
        for row in socket.hear():
            if (row["T"] in ("q", "t") or row["T"] == "subscription") and wanted(row):
                return dict(row)
