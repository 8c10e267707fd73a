"""The reads of execution agree with what the desk has traded."""

from decimal import Decimal

import pytest

from domain.enums import Side
from services.reports import drift, pnl, slippage
from services.reports.order_queries import (
    EventFilter,
    FillFilter,
    OrderFilter,
    get_record,
    list_events,
    list_fills,
    list_orders,
)
from services.reports.pnl import Group, ResultFilter
from services.reports.position_queries import PositionFilter, list_positions
from tests.support.desk import open_desk
from tests.support.factories import make_pair


@pytest.fixture
def desk(context, tmp_path):
    make_pair(context, "MA-V", "3")
    with open_desk(context, tmp_path, commission=Decimal(1)) as desk:
        yield desk


def test_a_pair_is_traded_in_and_out(desk):
    entry = desk.alert("MA-3*V", Side.BUY, "10", "-2")
    desk.work()
    held = {row.position.symbol: row.position.quantity for row in list_positions(PositionFilter(name="MA-V"), 10).rows}
    assert held == {"MA": 10, "V": -30}
    (look,) = drift.report()
    assert (look.pair, look.leg1.held, look.leg2.held, look.drift.within) == ("MA-V", 10, -30, True)

    exit_ = desk.alert("MA-3*V", Side.SELL, "10", "5")
    desk.work()
    assert drift.report() == []
    assert list_positions(PositionFilter(), 10).rows == []

    orders = list_orders(OrderFilter(name="MA-V"), 10).rows
    assert [order.signal_id for order in orders] == [exit_, exit_, entry, entry]
    fills = list_fills(FillFilter(name="MA-V"), 10).rows
    assert {fill.order_id for fill in fills} == {order.id for order in orders}
    record = get_record(orders[0].client_order_id)
    assert [event.to_status for event in record.events] == desk.moves(orders[0])
    moves = list_events(EventFilter(signal_id=entry), 100).rows
    assert len(moves) == sum(order.moves for order in orders[2:])

    (total,) = pnl.report(ResultFilter(group=Group.PAIR)).totals
    assert total.realised == sum(fill.realised for fill in fills) == 10 * (5 + 2)
    assert total.commission == sum(fill.commission for fill in fills)
    assert (total.traded, total.unrealised, total.net) == (80, 0, total.realised - total.commission)
    (name,) = slippage.report(slippage.SlippageFilter()).names
    assert (name.name, name.currency, name.both.signals, name.both.quantity) == ("MA-V", "USD", 2, 20)
    assert name.both.money == sum(desk.signal(rowid).slip * 10 for rowid in (entry, exit_))
