"""What the venue would refuse ends by name before anything is sent; exits go out whatever the rules of entries say."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from domain.enums import MarketPosition, OrderType, Side, TimeInForce
from extensions import transaction
from models import Instrument
from services.catalog.snapshots import bump_version
from tests.brokers.alpaca_support import Simulator
from tests.support.alpaca_desk import AlpacaDesk, open_alpaca_desk
from tests.support.desk import Desk, open_desk
from tests.support.factories import make_stock

FLAT = MarketPosition.FLAT
COIN, SHARE = "BTCUSD", "AAPL"
LIMITS: dict[str, Any] = {"order_type": OrderType.LIMIT}
NIGHTLY = {**LIMITS, "extended_hours": True}
Told = tuple[str, dict[str, Any]]
# The symbol, how it is registered, what the venue was told, the alert, and the reason of its end.
REFUSED: dict[str, tuple[str, dict[str, Any], tuple[Told, ...], dict[str, Any], str]] = {
    "a coin on margin": (COIN, {}, (("account", {"cash": "50000"}),), {"quantity": "1", "price": "60000"}, "margin"),
    "a coin below ten dollars": (COIN, {}, (), {"quantity": "0.00015", "price": "60000"}, "least value"),
    "a coin in crumbs": (COIN, {}, (), {"quantity": "0.00005", "price": "600000"}, "least quantity"),
    "a coin at a stop": (COIN, {"order_type": OrderType.STOP}, (), {"quantity": "1", "price": "61000"}, "order type"),
    "a coin all or nothing": (COIN, {"time_in_force": TimeInForce.FOK}, (), {"quantity": "1", "price": "60000"}, "time in force"),
    "a coin at the opening": (COIN, {"time_in_force": TimeInForce.OPG}, (), {"quantity": "1", "price": "60000"}, "time in force"),
    "coins not signed for": (COIN, {}, (("account", {"crypto_status": "INACTIVE"}),), {"quantity": "1", "price": "60000"}, "coins"),
    "a part below a dollar": (SHARE, {}, (), {"quantity": "0.005"}, "least value"),
    "a short sale too dear": (SHARE, {}, (("account", {"cash": "515"}),), {"side": Side.SELL, "quantity": "11", "price": "100"}, "buying power"),
    "no short sales": (SHARE, {}, (("account", {"shorting_enabled": False}),), {"side": Side.SELL, "price": "100"}, "shortable"),
    "a part at night": (SHARE, NIGHTLY, (), {"quantity": "1.5", "price": "100"}, "extended hours"),
    "a partnership": (SHARE, {}, (("assets/AAPL", {"attributes": ["ptp_no_exception"]}),), {"price": "100"}, "not bought"),
    "a share that rests at night": (SHARE, NIGHTLY, (("clock", {"is_open": False, "overnight": True}),), {"price": "100"}, "overnight"),
}  # fmt: skip


@pytest.fixture
def desk(simulated: Flask, simulator: Simulator) -> Iterator[AlpacaDesk]:
    simulator.control("PUT", "quotes/AAPL", {"bid": "100", "ask": "100"})
    make_stock(simulated, COIN, asset_class="CRYPTO")
    make_stock(simulated, SHARE)
    with open_alpaca_desk(simulated, simulator) as made:
        yield made


def register(symbol: str, **terms: Any) -> None:
    """Register terms as they may have been before registration asked the broker."""
    if terms:
        with transaction() as session:
            session.execute(sa.update(Instrument).where(Instrument.symbol == symbol).values(**terms))
            bump_version(session)


def hold(desk: AlpacaDesk, symbol: str, quantity: str) -> None:
    rowid = desk.alert(symbol, quantity=quantity, price="60000" if symbol == COIN else "100")
    desk.work()
    desk.wait(lambda: desk.poll() or desk.signal(rowid).status == "filled")


@pytest.mark.parametrize(("symbol", "terms", "told", "alert", "reason"), REFUSED.values(), ids=REFUSED)
def test_it_ends_before_it_is_sent(
    desk: AlpacaDesk,
    simulator: Simulator,
    symbol: str,
    terms: dict[str, Any],
    told: tuple[Told, ...],
    alert: dict[str, Any],
    reason: str,
):
    register(symbol, **terms)
    for path, body in told:
        simulator.control("PUT", path, body)
    rowid = desk.alert(symbol, **alert)
    desk.work()
    signal = desk.signal(rowid)
    assert (signal.status, signal.status_reason) == ("error", reason)
    assert simulator.count("POST /v2/orders") == 0


@pytest.mark.parametrize(
    ("symbol", "quantity", "told"),
    [
        (COIN, "0.01", ("account", {"crypto_status": "INACTIVE", "cash": "0"})),
        (SHARE, "10", ("account", {"cash": "-2000", "shorting_enabled": False})),
        (SHARE, "10", ("assets/AAPL", {"attributes": ["ptp_no_exception"], "shortable": False})),
    ],
)
def test_an_exit_is_sent_all_the_same(desk: AlpacaDesk, simulator: Simulator, symbol: str, quantity: str, told: Told):
    hold(desk, symbol, quantity)
    simulator.control("PUT", *told)
    desk.market.connect(desk.account_id, desk.broker)  # it asks anew
    sent = simulator.count("POST /v2/orders")
    desk.alert(symbol, Side.SELL, quantity, position=FLAT)
    desk.work()
    assert simulator.count("POST /v2/orders") > sent  # the venue has the word


def test_a_coins_limit_between_two_prices_is_sent_at_the_better_one(desk: AlpacaDesk, simulator: Simulator):
    register(COIN, **LIMITS)
    rowid = desk.alert(COIN, quantity="0.01", price="60100.75")
    desk.work()
    (order,) = desk.orders(rowid)
    assert order.limit_price == 60100
    (at_venue,) = simulator.control("GET", "book")["orders"]
    assert at_venue["limit_price"] == "60100"
    assert any(step["check"] == "price step" for step in desk.signal(rowid).trace)


def test_a_stop_at_paper_waits_for_its_quote(context: Flask, tmp_path: Path):
    make_stock(context, "KO", order_type=OrderType.STOP, time_in_force=TimeInForce.GTC)
    with open_desk(context, tmp_path) as desk:
        rowid = desk.alert("KO", price="105")
        desk.work()
        assert desk.signal(rowid).status == "created"
        desk.venue.set_quote("KO", Decimal("107.5"), Decimal(108))
        desk.poll()
        assert (desk.signal(rowid).status, desk.signal(rowid).fill_price) == ("filled", 108)


@pytest.mark.parametrize("time", [TimeInForce.OPG, TimeInForce.CLS, TimeInForce.FOK])
def test_paper_trades_what_a_stock_can_be_registered_with(context: Flask, tmp_path: Path, time: TimeInForce):
    make_stock(context, "KO", time_in_force=time)
    with open_desk(context, tmp_path) as desk:
        rowid = _traded(desk)
        assert desk.signal(rowid).status == "filled"


def _traded(desk: Desk) -> int:
    rowid = desk.alert("KO")
    desk.work()
    return rowid
