"""An account whose quotes cannot be had, though it can be traded: what must be closed is closed."""

from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from domain.enums import MarketPosition, Side
from services import check_rules
from services.check_rules import RuleForm
from tests.alpaca_desk import AlpacaDesk, open_alpaca_desk, set_up_simulated, simulated_config
from tests.brokers.alpaca_support import Simulator
from tests.conftest import closing_app
from tests.factories import make_pair


@pytest.fixture
def desk(database_url: str, tmp_path: Path) -> Iterator[AlpacaDesk]:
    with (
        closing(Simulator()) as simulator,
        closing_app(simulated_config(database_url, tmp_path, simulator)) as app,
        app.app_context(),
    ):
        set_up_simulated(app)
        make_pair(app, "AAPL-MSFT", "2")
        with open_alpaca_desk(app, simulator) as made:
            made.keeper().step()
            yield made


def forget_quotes(desk: AlpacaDesk) -> None:
    """Let the data service fail, and what it has said be forgotten."""
    desk.simulator.tell("status_503", where="/v2/stocks/quotes", times=99)
    desk.market.connect(desk.account_id, desk.broker)


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
    check_rules.set_rule(RuleForm(check="spread_limit", limit=Decimal(5), choice=choice), "a person")
    forget_quotes(desk)
    exit_ = desk.alert("AAPL-2*MSFT", Side.SELL, "10", position=MarketPosition.FLAT)
    desk.work()
    assert desk.signal(exit_).status == {"lenient": "created", "strict": "waiting"}[choice]
    entry = desk.alert("AAPL-2*MSFT", Side.BUY, "10")
    desk.work()
    assert desk.signal(entry).status == "waiting"
