"""What the database itself refuses, whatever the code above it does."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from extensions import db, transaction
from models import BrokerAccount, Fill, Instrument, Order, Pair, Signal, User
from tests.support.factories import make_pair, make_stock

NOW = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture(autouse=True)
def registered(context):
    make_stock(context, "A")
    make_pair(context, "B-C")


def account_id():
    return db.session.execute(sa.select(BrokerAccount.id).where(BrokerAccount.name == "paper")).scalar_one()


def insert(row):
    with transaction() as session:
        session.add(row)
        session.flush()
        return row.id


def make_signal(**overrides):
    fields = {
        "source": "test",
        "dedupe_key": "1",
        "body_sha256": "0",
        "ticker": "A",
        "side": "buy",
        "quantity": Decimal(1),
    }
    return Signal(**{**fields, **overrides})


def make_order(**overrides):
    fields = {
        "leg": 1, "account_id": account_id(), "symbol": "A", "asset_class": "STK", "currency": "USD", "side": "buy", "quantity": Decimal(1),
        "order_type": "MARKET", "time_in_force": "DAY", "client_order_id": "1", "status": "QUEUED",
    }  # fmt: skip
    return Order(**{**fields, **overrides})


BAD = [Decimal(0), Decimal(-1), Decimal("-0.00000001"), Decimal(10) ** 12, Decimal(10) ** 15]


@pytest.mark.parametrize("make", [make_signal, make_order])
def test_quantities_are_above_zero_and_below_a_million_million(make):
    for quantity in BAD:
        with pytest.raises(IntegrityError):
            insert(make(quantity=quantity))


@pytest.mark.parametrize("make", [make_signal, make_order])
def test_quantities_between_are_kept_exactly(make):
    for quantity in (Decimal("0.00000001"), Decimal("999999999999")):
        row = make(quantity=quantity)
        query = sa.select(type(row).quantity).where(type(row).id == insert(row))
        assert db.session.execute(query).scalar_one() == quantity
        with transaction() as session:
            session.execute(sa.delete(type(row)))


def test_hedge_ratios_are_above_zero_and_below_a_million_million():
    for ratio in BAD:
        with pytest.raises(IntegrityError), transaction() as session:
            session.execute(sa.update(Pair).values(hedge_ratio=ratio))


@pytest.mark.parametrize("make", [make_signal, make_order])
def test_what_is_no_number_does_not_reach_the_database(make):
    for number in (Decimal("NaN"), Decimal("Infinity"), Decimal("sNaN")):
        with pytest.raises(StatementError, match="only finite numbers"):
            insert(make(quantity=number))


def test_the_database_itself_refuses_nan():
    """For PostgreSQL NaN is above zero, and for that reason there is an upper bound."""
    insert(make_signal())
    with pytest.raises(DBAPIError), transaction() as session:
        session.execute(sa.text("update signals set quantity = 'NaN'"))


def test_words_are_those_of_their_list():
    insert(make_signal())
    words = [
        (Signal, {"side": "hold"}),
        (User, {"role": "root"}),
        (Instrument, {"activity": "maybe"}),
        (Pair, {"activity": "maybe"}),
        (BrokerAccount, {"route": "nowhere"}),
    ]
    for model, values in words:
        with pytest.raises(IntegrityError), transaction() as session:
            session.execute(sa.update(model).values(**values))


def test_a_pair_has_two_legs():
    with pytest.raises(IntegrityError), transaction() as session:
        session.execute(sa.update(Pair).values(leg1_id=Pair.leg2_id))


def test_one_event_is_one_signal():
    insert(make_signal())
    with pytest.raises(IntegrityError):
        insert(make_signal())
    insert(make_signal(dedupe_key="2"))
    insert(make_signal(source="another"))


def test_one_account_is_the_default():
    with pytest.raises(IntegrityError), transaction() as session:
        session.execute(sa.update(BrokerAccount).values(is_default=True))


def test_one_order_of_a_symbol_is_in_flight():
    for status in ("CLAIMED", "SENDING", "UNKNOWN"):
        insert(make_order(status=status))
        for other in ("CLAIMED", "SENDING", "UNKNOWN"):
            with pytest.raises(IntegrityError):
                insert(make_order(client_order_id="2", status=other))
        insert(make_order(client_order_id="2", status="QUEUED"))
        insert(make_order(client_order_id="3", status="ACCEPTED"))
        insert(make_order(client_order_id="4", symbol="B", status=status))
        with transaction() as session:
            session.execute(sa.delete(Order))


def test_order_ids_are_used_once():
    insert(make_order(broker_order_id="x", status="ACCEPTED"))
    with pytest.raises(IntegrityError):
        insert(make_order())
    with pytest.raises(IntegrityError):
        insert(make_order(client_order_id="2", broker_order_id="x"))
    insert(make_order(client_order_id="3"))
    insert(make_order(client_order_id="4"))


def test_a_leg_has_one_order_of_a_generation():
    signal = insert(make_signal())
    insert(make_order(signal_id=signal))
    with pytest.raises(IntegrityError):
        insert(make_order(signal_id=signal, client_order_id="2"))
    insert(make_order(signal_id=signal, client_order_id="2", leg=2))
    insert(make_order(signal_id=signal, client_order_id="3", generation=2))


def test_an_execution_is_booked_once():
    order = insert(make_order())
    fill = {
        "account_id": account_id(),
        "execution_id": "e",
        "order_id": order,
        "quantity": 1,
        "price": 1,
        "commission": 0,
        "at": NOW,
    }
    insert(Fill(**fill))
    with pytest.raises(IntegrityError):
        insert(Fill(**fill))


def test_a_stock_that_is_a_leg_is_not_deleted():
    with pytest.raises(IntegrityError), transaction() as session:
        session.execute(sa.delete(Instrument).where(Instrument.symbol == "B"))


def test_times_keep_their_zone_and_their_microseconds():
    moment = datetime(2026, 11, 20, 14, 30, 0, 123456, tzinfo=UTC)
    rowid = insert(make_signal(alert_at=moment))
    db.session.expire_all()
    assert db.session.execute(sa.select(Signal.alert_at).where(Signal.id == rowid)).scalar_one() == moment
    with pytest.raises(StatementError, match="only aware times"):
        insert(make_signal(dedupe_key="2", alert_at=datetime(2026, 11, 20)))  # noqa: DTZ001 - that is the point
