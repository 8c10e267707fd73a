"""Fixtures of the broker tests."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from brokers.alpaca.broker import AlpacaBroker
from brokers.paper.broker import PaperBroker
from brokers.paper.venue import PaperVenue
from tests.brokers.alpaca_peers import Answers
from tests.brokers.alpaca_support import ACCOUNT as ALPACA_ACCOUNT
from tests.brokers.alpaca_support import Desk
from tests.brokers.alpaca_support import make_settings as alpaca_settings
from tests.brokers.paper_support import ACCOUNT, Clock, make_settings

pytest.register_assert_rewrite(
    *(f"tests.brokers.contract_{part}" for part in ("orders", "market", "attached", "capabilities"))
)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def paper_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store, on both databases."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/instance/paper.db"
    url: str = request.getfixturevalue("pg_url")
    return url


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def venue(paper_url: str, clock: Clock) -> Iterator[PaperVenue]:
    with closing(PaperVenue(make_settings(paper_url), clock=clock)) as venue:
        yield venue


@pytest.fixture
def broker(venue: PaperVenue) -> PaperBroker:
    return PaperBroker(venue, ACCOUNT)


@pytest.fixture
def answers() -> Iterator[Answers]:
    """A server that answers what a test gives it."""
    with closing(Answers()) as server:
        yield server


@pytest.fixture
def desk() -> Iterator[Desk]:
    with closing(Desk()) as opened:
        yield opened


@pytest.fixture
def bare(answers: Answers) -> Iterator[AlpacaBroker]:
    """Return a broker whose Alpaca answers what a test gives it."""
    with closing(AlpacaBroker(alpaca_settings(answers.url), ALPACA_ACCOUNT)) as broker:
        yield broker
