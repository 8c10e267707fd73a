"""The official SDK as it is held here: with these keys only, at these addresses, one attempt a call."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from brokers import http
from brokers.alpaca.client import WALL_SECONDS, hold
from brokers.alpaca.rate_budget import RateBudget
from brokers.alpaca.sdk import RESTClient, TradingClient
from brokers.http import DeadlineSession
from simulators.alpaca.keys import KEY, SECRET
from tests.brokers.alpaca_peers import Answers
from tests.brokers.alpaca_support import open_client


class TestKeys:
    def test_a_netrc_does_not_take_their_place(self, answers: Answers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login somebody password else\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        with open_client(answers.url) as client:
            client.read("/account")
            client.read_data("/stocks/quotes/latest", {})
            client.post("/orders", {})
        for headers in answers.received:
            assert (headers["APCA-API-KEY-ID"], headers["APCA-API-SECRET-KEY"]) == (KEY, SECRET)
            assert "Authorization" not in headers

    def test_trading_and_data_are_asked_at_their_own_paths(self, answers: Answers):
        with open_client(answers.url) as client:
            client.read("/account")
            client.read_data("/stocks/quotes/latest", {"symbols": "AAPL,F"})
            client.read_data("/crypto/us/latest/quotes", {}, "v1beta3")
            client.post("/orders", {})
            client.patch("/orders/1", {})
            client.delete("/orders/1")
        assert answers.asked == [
            "GET /v2/account",
            "GET /v2/stocks/quotes/latest?symbols=AAPL%2CF",
            "GET /v1beta3/crypto/us/latest/quotes",
            "POST /v2/orders",
            "PATCH /v2/orders/1",
            "DELETE /v2/orders/1",
        ]


class TestHold:
    """What is set on the SDK's own clients works only as long as they use it; an upgrade may change that."""

    @pytest.mark.parametrize(
        "client",
        [
            TradingClient(KEY, SECRET, url_override="http://127.0.0.1:1", raw_data=True),
            RESTClient("http://127.0.0.1:1", KEY, SECRET, raw_data=True),
        ],
        ids=["trading", "data"],
    )
    def test_the_sdk_has_the_settings_that_are_replaced(self, client: Any):
        assert isinstance(client._session, requests.Session)
        assert client._retry > 0  # else there is nothing to hold back
        assert {429, 504} <= set(client._retry_codes)
        held = hold(client, RateBudget(), 1.5)
        assert held is client
        assert (client._retry, client._retry_codes) == (0, [])
        assert isinstance(client._session, DeadlineSession)
        assert client._session.wall_seconds == 1.5
        assert client._use_raw_data is True

    def test_by_itself_the_sdk_sends_an_order_again(self, answers: Answers, monkeypatch: pytest.MonkeyPatch):
        answers.give(504)
        client = TradingClient(KEY, SECRET, url_override=answers.url, raw_data=True)
        monkeypatch.setattr(client, "_retry_wait", 0)
        with closing(client._session), pytest.raises(Exception, match=r"^$|504"):
            client.post("/orders", {})
        assert len(answers.asked) > 1
        asked = len(answers.asked)
        client._session.close()
        with closing(hold(client, RateBudget())._session), pytest.raises(Exception, match=r"^$|504"):
            client.post("/orders", {})
        assert len(answers.asked) == asked + 1

    def test_it_asks_through_the_session_that_was_put_in(self, answers: Answers, monkeypatch: pytest.MonkeyPatch):
        seen: list[Any] = []
        original = DeadlineSession.request
        monkeypatch.setattr(
            DeadlineSession, "request", lambda *args, **kwargs: seen.append(args[1:3]) or original(*args, **kwargs)
        )
        with open_client(answers.url) as client:
            client.post("/orders", {})
            client.read_data("/x", {})
        assert seen == [("POST", f"{answers.url}/v2/orders"), ("GET", f"{answers.url}/v2/x")]

    def test_the_time_to_connect_is_limited_too(self, answers: Answers, monkeypatch: pytest.MonkeyPatch):
        seen: list[Any] = []
        original = requests.Session.request
        monkeypatch.setattr(
            requests.Session, "request", lambda *args, **kwargs: seen.append(kwargs) or original(*args, **kwargs)
        )
        with open_client(answers.url) as client:
            client.read("/account")
        assert seen[0]["timeout"] == (http.CONNECT_SECONDS, WALL_SECONDS + 1)
        assert seen[0]["allow_redirects"] is False
