"""The token that client credentials are exchanged for: fetched, kept, renewed, and never shown."""

import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from brokers.alpaca import account_events, accounts
from brokers.alpaca.accounts import BrokerageClient
from brokers.alpaca.logins import MARGIN, YOUNG, TokenLogin
from brokers.alpaca.settings import BrokerageSettings
from brokers.errors import AccessRefused, BrokerUnavailable, FormRefused, OutcomeUnknown
from domain.account_opening.status import Application, StatusEvent
from simulators.alpaca.keys import BROKER_KEY, BROKER_SECRET
from tests.brokers.alpaca_peers import Answers, wait_until
from tests.brokers.alpaca_support import Simulator
from tests.simulators.applying import make_application

TOKEN = "POST /v1/oauth2/token"
GIVEN = {"access_token": "a-token-of-the-desk", "expires_in": 899, "token_type": "Bearer"}
LASTS = 900  # seconds


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def make_settings(url: str, **changes: Any) -> BrokerageSettings:
    values = {"environment": "simulator", "key_id": BROKER_KEY, "secret_key": BROKER_SECRET, "simulator_url": url}
    return BrokerageSettings(**{**values, "by_token": True, **changes})


def application(email: str = "ann@example.com") -> Application:
    body = make_application()
    del body["contact"]["email_address"]
    return Application(name="Ann Smith", email=email, **body)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def login(answers: Answers, clock: Clock) -> TokenLogin:
    answers.give(200, GIVEN)
    return TokenLogin(make_settings(answers.url), clock)


class TestLogin:
    def test_a_token_is_kept_until_a_minute_before_its_end(self, login: TokenLogin, answers: Answers, clock: Clock):
        for later in (0, 1, 899 - MARGIN - 1.5):
            clock.now += later
            login.prepare()
        assert answers.asked == [TOKEN]
        clock.now += 1
        login.prepare()
        assert answers.asked == [TOKEN, TOKEN]

    def test_one_that_lasts_less_than_that_is_kept_for_half_its_time(
        self, login: TokenLogin, answers: Answers, clock: Clock
    ):
        answers.give(200, {**GIVEN, "expires_in": 30})
        login.prepare()
        clock.now += 14.9
        login.prepare()
        assert len(answers.asked) == 1
        clock.now += 0.2
        login.prepare()
        assert len(answers.asked) == 2

    def test_a_young_one_is_not_renewed(self, login: TokenLogin, answers: Answers, clock: Clock):
        assert not login.renew()  # there is none
        login.prepare()
        clock.now += YOUNG - 1
        assert not login.renew()
        clock.now += 1
        assert login.renew()
        login.prepare()
        assert len(answers.asked) == 2
        assert not login.renew()

    def test_many_at_once_fetch_one(self, login: TokenLogin, answers: Answers):
        threads = [threading.Thread(target=login.prepare) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers.asked == [TOKEN]

    @pytest.mark.parametrize(
        ("status", "body", "error", "text"),
        [
            (401, {"error": "invalid_client"}, AccessRefused, "invalid_client"),
            (400, {"error": "unsupported_grant_type"}, AccessRefused, "unsupported_grant_type"),
            (401, b"<html>", BrokerUnavailable, "401"),
            (500, {"error": "server_error"}, BrokerUnavailable, "server_error"),
            (429, b"", BrokerUnavailable, "429"),
            (200, b"<html>", BrokerUnavailable, "understood"),
            (200, [], BrokerUnavailable, "understood"),
            (200, {**GIVEN, "access_token": ""}, BrokerUnavailable, "understood"),
            (200, {**GIVEN, "access_token": "a\r\nX: y"}, BrokerUnavailable, "understood"),
            (200, {**GIVEN, "expires_in": "899"}, BrokerUnavailable, "understood"),
            (200, {**GIVEN, "expires_in": 0}, BrokerUnavailable, "understood"),
        ],
    )
    def test_no_token_is_told_apart_from_a_refusal(
        self, login: TokenLogin, answers: Answers, status: int, body: Any, error: type[Exception], text: str
    ):
        answers.give(status, body)
        with pytest.raises(error, match=text) as caught:
            login.prepare()
        assert isinstance(caught.value, AccessRefused) is (error is AccessRefused)
        answers.give(200, GIVEN)
        login.prepare()

    def test_a_host_that_is_away_is_not_a_refusal(self):
        with pytest.raises(BrokerUnavailable, match="no token"):
            TokenLogin(make_settings("http://127.0.0.1:9")).prepare()

    @pytest.mark.parametrize(
        ("environment", "host"),
        [("sandbox", "https://authx.sandbox.alpaca.markets"), ("live", "https://authx.alpaca.markets")],
    )
    def test_tokens_are_made_at_a_host_of_their_own(self, environment: str, host: str):
        assert make_settings("", environment=environment).token_url == host


@pytest.fixture
def brokerage(simulator: Simulator, clock: Clock) -> Iterator[BrokerageClient]:
    with closing(BrokerageClient(make_settings(simulator.url))) as client:
        client._login._clock = clock
        yield client


class TestClient:
    """The whole way, at the simulator."""

    def test_an_account_is_opened_and_read_with_one_token(self, brokerage: BrokerageClient, simulator: Simulator):
        opened = brokerage.open_account(application())
        assert brokerage.get(opened.alpaca_id).alpaca_id == opened.alpaca_id
        assert brokerage.find_by_email("ann@example.com") is not None
        assert simulator.count(TOKEN) == 1

    @pytest.mark.parametrize("call", ["open", "read"])
    def test_a_token_that_has_ended_is_renewed_once(
        self, brokerage: BrokerageClient, simulator: Simulator, clock: Clock, call: str
    ):
        first = brokerage.open_account(application())
        simulator.advance(LASTS)
        clock.now += YOUNG  # the desk believes that it lasts
        if call == "open":
            assert brokerage.open_account(application("bob@example.com")).alpaca_id != first.alpaca_id
            assert simulator.count("POST /v1/accounts") == 3
        else:
            assert brokerage.get(first.alpaca_id).alpaca_id == first.alpaca_id
        assert simulator.count(TOKEN) == 2

    def test_one_that_is_refused_again_is_a_refusal(
        self, brokerage: BrokerageClient, simulator: Simulator, clock: Clock
    ):
        brokerage.open_account(application())
        clock.now += YOUNG
        simulator.tell("unauthorized", where="/v1/accounts", times=2)
        with pytest.raises(AccessRefused):
            brokerage.open_account(application("bob@example.com"))
        assert simulator.count("POST /v1/accounts") == 3
        assert simulator.count(TOKEN) == 2

    def test_an_application_that_was_refused_late_is_not_sent_again(
        self, brokerage: BrokerageClient, simulator: Simulator, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ):
        brokerage.open_account(application())
        clock.now += YOUNG
        simulator.tell("unauthorized", where="/v1/accounts")
        monkeypatch.setattr(accounts, "QUICK", -1.0)
        with pytest.raises(AccessRefused):
            brokerage.open_account(application("bob@example.com"))
        assert simulator.count("POST /v1/accounts") == 2

    def test_without_a_token_nothing_is_sent(self, simulator: Simulator):
        with closing(BrokerageClient(make_settings(simulator.url, secret_key="guessed"))) as brokerage:
            with pytest.raises(AccessRefused, match="invalid_client"):
                brokerage.open_account(application())
            with pytest.raises(AccessRefused, match="invalid_client"):
                brokerage.find_by_email("ann@example.com")
        assert simulator.count("POST /v1/accounts") == 0
        assert simulator.count(TOKEN) == 2

    def test_a_lost_answer_is_unknown_as_ever(self, brokerage: BrokerageClient, simulator: Simulator):
        simulator.tell("drop_after", where="/v1/accounts")
        with pytest.raises(OutcomeUnknown):
            brokerage.open_account(application())
        assert simulator.count("POST /v1/accounts") == 1

    def test_no_text_holds_the_token(self, answers: Answers):
        answers.give(200, GIVEN)
        with closing(BrokerageClient(make_settings(answers.url))) as brokerage:
            brokerage._login.prepare()
            answers.give(422, {"code": 40010001, "message": f"{GIVEN['access_token']} is odd"})
            with pytest.raises(FormRefused, match=r"^\*\*\* is odd$"):
                brokerage.open_account(application())


def test_the_key_is_shown_as_it_is_where_nothing_else_is_asked_for(simulator: Simulator):
    with closing(BrokerageClient(make_settings(simulator.url, by_token=False))) as brokerage:
        brokerage.open_account(application())
    assert simulator.count(TOKEN) == 0


def test_the_stream_of_events_has_a_token_too(simulator: Simulator, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(account_events, "PAUSES", (0.01,))
    heard: list[StatusEvent] = []
    events = account_events.AccountEvents(make_settings(simulator.url), heard.append)
    with closing(events), closing(BrokerageClient(make_settings(simulator.url))) as brokerage:
        wait_until(lambda: simulator.count("GET /v1/events/accounts/status"))
        brokerage.open_account(application())
        wait_until(lambda: heard)
        assert events.trouble is None


def test_the_stream_says_that_it_gets_no_token(simulator: Simulator):
    events = account_events.AccountEvents(make_settings(simulator.url, secret_key="guessed"), lambda _: None)
    with closing(events):
        wait_until(lambda: events.trouble)
    assert events.trouble == "Alpaca gives no token: invalid_client"
