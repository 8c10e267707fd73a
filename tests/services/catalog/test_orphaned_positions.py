"""What is held stays at the account to which its exits go, and where it does not, it is told."""

import logging
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from config import Config
from domain.enums import Activity, Side
from domain.errors import InvalidInput
from extensions import transaction
from models import Instrument, Position
from services.catalog.orphaned_positions import list_stranded
from services.catalog.pairs import PairForm, put_pair
from services.catalog.stocks import StockForm, put_stock
from services.setup import prepare_database
from tests.support.desk import Desk
from tests.support.factories import TESTER, make_config, make_pair, make_stock


@pytest.fixture
def desk(app: Flask, context: Flask, tmp_path: Path) -> Desk:
    make_stock(app, "LNT")
    make_pair(app, "MA-V", "3")
    return Desk(app, tmp_path)


def with_broker(app: Flask, folder: Path, name: str) -> Config:
    return make_config(app.config["DESK"].database_url, folder, BROKER=name)


def test_a_stock_that_is_held_keeps_its_account(desk: Desk):
    form = StockForm(symbol="LNT", activity=Activity.ACTIVE)
    desk.alert("LNT", Side.BUY, "10")
    desk.work()
    with pytest.raises(InvalidInput) as refused:
        put_stock(replace(form, account="external"), TESTER)
    text = "cannot change while paper has 10 LNT of LNT; close that first, or name paper"
    assert refused.value.fields == {"account": text}
    for same in (None, "paper"):  # None is the default account, and that is paper
        put_stock(replace(form, account=same), TESTER)
    desk.alert("LNT", Side.SELL, "10")
    desk.work()
    put_stock(replace(form, account="external"), TESTER)


def test_a_pair_whose_orders_work_keeps_its_account(desk: Desk):
    form = PairForm(symbol1="MA", symbol2="V", hedge_ratio=Decimal(3), activity=Activity.ACTIVE, account="external")
    desk.alert("MA-3*V", Side.BUY, "10", "1")
    desk.plan()
    with pytest.raises(InvalidInput) as refused:
        put_pair(form, TESTER)
    assert "working orders of MA, working orders of V of MA-V" in refused.value.fields["account"]
    desk.work()
    with pytest.raises(InvalidInput) as refused:
        put_pair(form, TESTER)
    assert "10 MA, -30 V of MA-V" in refused.value.fields["account"]


def test_what_another_default_account_strands_is_told_at_the_start_and_by_health(
    desk: Desk, app: Flask, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    desk.alert("LNT", Side.BUY, "10")
    desk.alert("MA-3*V", Side.BUY, "10", "1")
    desk.work()
    assert list_stranded() == []
    with caplog.at_level(logging.WARNING):
        prepare_database(with_broker(app, tmp_path, "external"))
    told = [
        "10 LNT of LNT at paper; its alerts go to external",
        "10 MA of MA-V at paper; its alerts go to external",
        "-30 V of MA-V at paper; its alerts go to external",
    ]
    assert [str(each) for each in list_stranded()] == told
    assert all(f"no exit reaches {text}" in caplog.text for text in told)
    output = app.test_cli_runner().invoke(args=["health"]).output
    assert f"warn positions: no exit reaches {'; '.join(told)}" in output
    with transaction() as session:  # a stock that is registered for the account that holds it is where it belongs
        session.execute(sa.update(Instrument).where(Instrument.symbol == "LNT").values(account_id=desk.account_id))
    assert [each.name for each in list_stranded()] == ["MA-V", "MA-V"]


def test_what_is_not_registered_any_more_is_not_called_stranded(desk: Desk, app: Flask, tmp_path: Path):
    with transaction() as session:
        session.add(Position(account_id=desk.account_id, name="GONE", symbol="GONE", quantity=Decimal(1), average_price=Decimal(1)))  # fmt: skip
    prepare_database(with_broker(app, tmp_path, "external"))
    assert list_stranded() == []
