"""An account whose quotes cannot be had, though it can be traded: what must be closed is closed."""

import logging
from collections.abc import Iterator
from decimal import Decimal

import pytest
from flask import Flask

from domain.enums import MarketPosition, Side
from services.broker_state import fetch
from services.catalog import check_limits
from services.catalog.check_limits import RuleForm
from tests.brokers.alpaca_support import Simulator
from tests.support.alpaca_desk import AlpacaDesk, open_alpaca_desk
from tests.support.factories import make_pair

QUOTES = "GET /v2/stocks/{topic}/latest"


@pytest.fixture
def desk(simulated: Flask, simulator: Simulator) -> Iterator[AlpacaDesk]:
    make_pair(simulated, "AAPL-MSFT", "2")
    with open_alpaca_desk(simulated, simulator) as made:
        made.account_session().step()
        yield made


def forget_quotes(desk: AlpacaDesk) -> None:
    """Let the data service fail, and what it has said be forgotten."""
    desk.simulator.tell("status_503", where="/v2/stocks/quotes", times=99)
    desk.market.connect(desk.account_id, desk.broker)


def test_an_account_opens_without_quotes_and_says_once_that_they_lack(
    desk: AlpacaDesk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    forget_quotes(desk)
    monkeypatch.setattr(fetch, "QUOTES_PAUSE", 0.0)
    monkeypatch.setattr(fetch, "QUOTES_QUIET", 0.0)
    account_session = desk.account_session("another worker")
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            account_session._due.clear()
            account_session.step()
        assert account_session.is_open
        assert desk.state().cash == 1_000_000
        assert (desk.state().trouble or "").startswith("no quotes: ")
        desk.simulator.control("DELETE", "faults")
        account_session._due.clear()
        account_session.step()
    assert desk.state().trouble is None
    assert caplog.text.count("no quotes") == 1
    assert caplog.text.count("there are quotes again") == 1


def test_quotes_that_come_and_go_are_told_once_and_not_asked_for_at_every_turn(
    desk: AlpacaDesk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    desk.simulator.tell("status_503", where="/v2/stocks/quotes")
    desk.market.refresh(desk.account_id)
    asked = desk.simulator.count(QUOTES)
    desk.market.refresh(desk.account_id)
    assert desk.simulator.count(QUOTES) == asked
    monkeypatch.setattr(fetch, "QUOTES_PAUSE", 0.0)
    for _ in range(3):
        desk.market.refresh(desk.account_id)
        assert desk.state().trouble is None
        desk.simulator.tell("status_503", where="/v2/stocks/quotes")
        desk.market.refresh(desk.account_id)
        assert desk.state().trouble is not None
    assert desk.simulator.count(QUOTES) == asked + 6
    assert caplog.text.count("no quotes") == 1


@pytest.mark.parametrize("path", ["/v2/account", "/v2/positions", "/v3/clock"])
def test_without_money_positions_or_hours_it_stays_closed(desk: AlpacaDesk, path: str):
    desk.simulator.tell("status_503", where=path, times=99)
    account_session = desk.account_session("another worker")
    account_session.step()
    assert not account_session.is_open
    assert "503" in (desk.state().trouble or "")


def test_a_pair_is_planned_without_the_estimate_of_its_cost(desk: AlpacaDesk, caplog: pytest.LogCaptureFixture):
    forget_quotes(desk)
    rowid = desk.alert("AAPL-2*MSFT", Side.BUY, "10")
    desk.work()
    assert [order.status for order in desk.orders(rowid)] == ["ACCEPTED", "ACCEPTED"]
    assert "no quotes of AAPL, MSFT" in caplog.text


@pytest.mark.parametrize("choice", ["lenient", "strict"])
def test_entries_wait_for_quotes_that_a_check_goes_by_and_exits_only_where_it_is_strict(desk: AlpacaDesk, choice: str):
    rowid = desk.alert("AAPL-2*MSFT", Side.BUY, "10")
    desk.work()
    desk.wait(lambda: desk.poll() or desk.signal(rowid).status == "filled")
    check_limits.set_rule(RuleForm(check="spread_limit", limit=Decimal(5), choice=choice), "a person")
    forget_quotes(desk)
    exit_ = desk.alert("AAPL-2*MSFT", Side.SELL, "10", position=MarketPosition.FLAT)
    desk.work()
    assert desk.signal(exit_).status == {"lenient": "created", "strict": "waiting"}[choice]
    entry = desk.alert("AAPL-2*MSFT", Side.BUY, "10")
    desk.work()
    assert desk.signal(entry).status == "waiting"
