"""A stock's limits cannot be evaded by way of a pair that has it as a leg."""

from decimal import Decimal

import pytest

from domain.enums import Scope, Side
from services.catalog import check_limits
from services.catalog.check_limits import RuleForm
from tests.support.desk import Desk
from tests.support.factories import make_pair

D = Decimal
pytestmark = pytest.mark.usefixtures("context")


@pytest.fixture
def desk(app, tmp_path):
    make_pair(app, "AAA-BBB", "2")
    desk = Desk(app, tmp_path)
    yield desk
    desk.close()


def limit(check, value, symbol="BBB"):
    check_limits.set_rule(RuleForm(check=check, scope=Scope.STOCK, scope_name=symbol, limit=D(value)), "the test")


def trade(desk, quantity="10", side=Side.BUY, **more):
    """Return what became of an alert for the pair."""
    rowid = desk.alert("AAA-2*BBB", side, quantity, "-100", **more)
    desk.work()
    return desk.signal(rowid)


@pytest.mark.parametrize(
    ("check", "fits", "value", "text"),
    [
        ("max_quantity", "20", "19", "The leg BBB is 20 shares; 19 are allowed by stock BBB."),
        ("max_notional", "3000", "2999", "The leg BBB is worth 3000; 2999 is allowed by stock BBB."),
    ],
)
def test_an_entry_of_a_pair_is_refused_by_the_limit_of_a_leg_s_stock(desk, check, fits, value, text):
    assert trade(desk, "1").status == "filled"  # since then the venue has prices: 200 and 150
    limit(check, value)
    signal = trade(desk)
    assert (signal.status, signal.status_reason, signal.error_text) == ("canceled", "too large", f"too large: {text}")
    assert desk.orders(signal.id) == []
    step = next(step for step in signal.trace if step["check"] == check.replace("_", " "))
    assert (step["ok"], step["values"]["leg"], step["values"]["limit_of"]) == (False, "BBB", "stock BBB")
    limit(check, fits)
    assert trade(desk).status == "filled"


def test_the_exit_of_a_pair_is_not_kept_back_by_it(desk):
    assert trade(desk).status == "filled"
    limit("max_quantity", "1")
    assert trade(desk, side=Side.SELL, position="flat").status == "filled"


def test_orders_of_a_stock_in_a_minute_are_counted_in_all_its_books(desk):
    limit("orders_per_minute", "2")
    assert [trade(desk, "1").status for _ in range(3)] == ["filled", "filled", "canceled"]
    limit("orders_per_minute", "3")
    assert trade(desk, "1").status == "filled"
