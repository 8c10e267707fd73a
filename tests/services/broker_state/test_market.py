"""What a worker knows of its brokers while accounts come and go: one account's figures are of one connection."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from brokers.alpaca import market as alpaca_market
from brokers.errors import BrokerUnavailable
from brokers.paper.broker import PaperBroker
from domain.messages import SessionReport
from extensions import db
from models import AccountState
from services.broker_state import fetch
from services.broker_state.market import Market, Need, NotKnown
from tests.brokers.alpaca_support import Simulator
from tests.support.alpaca_desk import open_alpaca_desk
from tests.support.desk import Desk
from tests.support.factories import make_stock

LIST, SINGLE = "GET /v2/assets", "GET /v2/assets/{symbol}"


class Interrupted(PaperBroker):
    """A broker that is asked for its hours just as something else happens to the account."""

    meanwhile: Callable[[], Any]

    def session(self) -> SessionReport:
        self.meanwhile()
        return super().session()


@pytest.fixture
def broker(context: Flask, tmp_path: Path) -> Interrupted:
    return Interrupted(Desk(context, tmp_path).venue, "paper")


def states() -> int:
    db.session.rollback()
    return db.session.execute(sa.select(sa.func.count()).select_from(AccountState)).scalar_one()


def test_an_account_that_is_left_while_its_broker_answers_leaves_nothing_behind(broker: Interrupted):
    market = Market({1: broker})
    broker.meanwhile = lambda: market.drop(1)
    market.refresh(1)
    assert market.reachable() == ()
    assert states() == 0


def test_an_account_that_fails_as_it_is_left_leaves_nothing_behind(
    broker: Interrupted, monkeypatch: pytest.MonkeyPatch
):
    market = Market({1: broker})
    broker.meanwhile = lambda: market.drop(1)

    def fail() -> None:
        raise BrokerUnavailable("closed")

    monkeypatch.setattr(broker, "account", fail)
    with pytest.raises(BrokerUnavailable):
        market.refresh(1)
    assert states() == 0


def test_what_an_old_connection_says_is_not_taken_for_the_new_ones_word(broker: Interrupted, tmp_path: Path):
    market, fresh = Market({1: broker}), PaperBroker(broker._venue, "paper")
    broker.meanwhile = lambda: market.connect(1, fresh)
    market.ask(NotKnown(1, ["AAPL"], Need.NONE))
    with pytest.raises(NotKnown):
        market.facts(1, ["AAPL"], Need.NONE)
    market.ask(NotKnown(1, ["AAPL"], Need.NONE))
    assert market.facts(1, ["AAPL"], Need.NONE).account is not None


def test_nothing_is_known_of_an_account_that_was_left(broker: Interrupted):
    market = Market({1: broker})
    market.drop(1)
    market.drop(1)
    with pytest.raises(NotKnown):
        market.facts(1, ["AAPL"], Need.NONE)
    with pytest.raises(BrokerUnavailable, match="was left"):
        market.ask(NotKnown(1, ["AAPL"], Need.NONE))
    market.refresh(1)
    market.reserve(1, 7, Decimal(5))
    market.pass_over(1, 2.0)
    assert states() == 0


def test_known_assets_are_asked_for_again_a_few_at_a_time(
    simulated: Flask, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(alpaca_market, "LIST_SECONDS", 0.0)
    for second in ascii_uppercase:
        make_stock(simulated, f"A{second}")
    with open_alpaca_desk(simulated, simulator) as desk:
        desk.market.refresh(desk.account_id)
        assert (simulator.count(LIST), simulator.count(SINGLE)) == (1, alpaca_market.MOST_MISSING)
        desk.market.refresh(desk.account_id)
        assert (simulator.count(LIST), simulator.count(SINGLE)) == (1, 26)  # the simulator lists what it was asked
        monkeypatch.setattr(fetch, "ASSET_REFRESH", 0.0)
        for turn in range(1, 4):
            desk.market.refresh(desk.account_id)
            assert (simulator.count(LIST), simulator.count(SINGLE)) == (1, 26 + turn * fetch.FEW)
        known = desk.market._known[desk.account_id].assets_at
        assert len(set(known.values())) == 3  # each was asked for again
        make_stock(simulated, "NEW")
        desk.market.refresh(desk.account_id)
        assert simulator.count(SINGLE) == 26 + 3 * fetch.FEW + 1
        monkeypatch.setattr(fetch, "MANY", 20)
        desk.market.refresh(desk.account_id)
        assert simulator.count(LIST) == 2


def test_of_many_shares_that_the_broker_does_not_list_none_is_taken_for_unknown_unasked(
    simulated: Flask, simulator: Simulator
):
    symbols = [f"{first}{second}" for first in "BCD" for second in ascii_uppercase]
    for symbol in symbols:
        make_stock(simulated, symbol)
    with open_alpaca_desk(simulated, simulator) as desk:
        for turn in range(1, 9):
            desk.market.refresh(desk.account_id)
            assert simulator.count(SINGLE) <= turn * alpaca_market.MOST_SINGLE
        known = desk.market._known[desk.account_id].assets
        assert [symbol for symbol in symbols if known.get(symbol) is None] == []
