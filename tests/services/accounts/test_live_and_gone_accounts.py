"""What ends or begins at a broker account: real money, keys that are forgotten, and its removal."""

from contextlib import closing

import pytest
import sqlalchemy as sa

from brokers import registry
from brokers.alpaca.spec import ALPACA
from brokers.errors import OrderRejected
from domain.enums import Scope
from domain.errors import Conflict, InvalidInput
from extensions import db, transaction
from models import AccountState, BrokerAccount, CheckRule
from services.accounts import broker_accounts
from services.accounts.connections import connect, desk_accounts
from services.catalog import check_limits
from tests.brokers.alpaca_support import make_request
from tests.dashboard.trading import journal
from tests.support import book_rows
from tests.support.factories import dump_tables, make_pair, make_stock
from tests.support.keyed_broker import LIVE_KEYS, PAPER_KEYS, account_row, add, registry_version

pytestmark = pytest.mark.usefixtures("front_door", "context")


def test_live_trading_is_switched_on_and_off_with_a_reason(app):
    add("real", "live", LIVE_KEYS)
    before = registry_version()
    broker_accounts.switch_live("real", True, "tested for a month", "user anna")
    assert account_row("real").may_trade
    assert registry_version() > before
    broker_accounts.switch_live("real", True, "once more", "user anna")
    broker_accounts.switch_live("real", False, "holiday", "user anna")
    assert not account_row("real").may_trade
    assert journal(app)[1:] == [
        ("user anna", "live trading on", "real", "tested for a month"),
        ("user anna", "live trading off", "real", "holiday"),
    ]


def test_a_connection_made_before_the_switch_sends_nothing(app, monkeypatch):
    add("real", "live", LIVE_KEYS)
    monkeypatch.setitem(registry.SPECS, "alpaca", ALPACA)  # the adapter itself
    terms = desk_accounts()[account_row("real").id]
    with (
        closing(connect(app.config["DESK"], terms)) as broker,
        pytest.raises(OrderRejected, match="live trading is not switched on"),
    ):
        broker.submit_order(make_request(account="real"))


def test_only_real_money_has_a_switch(app):
    add()
    before = dump_tables(app)
    for name in ("anna", "paper", "external"):
        with pytest.raises(InvalidInput, match=r"on: .* trades play money"):
            broker_accounts.switch_live(name, True, "x", "user anna")
    assert dump_tables(app) == before


def test_everything_that_ends_or_begins_something_needs_a_reason(app):
    add("real", "live", LIVE_KEYS)
    before = dump_tables(app)
    acts = [
        lambda reason: broker_accounts.switch_live("real", True, reason, "x"),
        lambda reason: broker_accounts.remove_keys("real", reason, "x"),
        lambda reason: broker_accounts.remove_account("real", reason, "x"),
    ]
    for act in acts:
        with pytest.raises(InvalidInput, match="reason"):
            act("  ")
    assert dump_tables(app) == before


def test_without_keys_nothing_can_be_connected_to(app):
    add("real", "live", LIVE_KEYS)
    broker_accounts.switch_live("real", True, "tested", "user anna")
    before = desk_accounts()[account_row("real").id]
    assert (before.may_trade, before.needs_keys) == (True, True)
    broker_accounts.remove_keys("real", "they leaked", "user anna")
    account = account_row("real")
    assert (account.credentials, account.key_hint, account.live_enabled, account.revision) == (None, None, False, 2)
    assert account.broker_number == "123456789"
    after = desk_accounts()[account.id]
    assert after != before  # so that workers leave it
    assert after.credentials is None
    assert journal(app)[-1] == ("user anna", "remove keys", "real", "they leaked")
    with pytest.raises(Conflict, match="has no keys; set them first"):
        broker_accounts.switch_live("real", True, "again", "user anna")
    broker_accounts.set_keys("real", LIVE_KEYS, "user anna")
    assert not account_row("real").may_trade


def test_forgotten_keys_may_open_an_account_of_another_name():
    add()
    broker_accounts.remove_keys("anna", "they leaked", "user anna")
    add("again")
    with pytest.raises(InvalidInput, match="they open the same account as 'again'"):
        broker_accounts.set_keys("anna", PAPER_KEYS, "user anna")


def test_an_account_without_a_history_is_removed(app):
    before = dump_tables(app, "registry_version", "journal")
    add()
    number = account_row().id
    check_limits.set_rule(
        check_limits.RuleForm(check="max_quantity", scope=Scope.ACCOUNT, scope_name="anna", limit=1), "x"
    )
    book_rows.add(app, AccountState(account_id=number, cash=1), book_rows.quote("LNT", "1", "2", account_id=number))
    broker_accounts.remove_account("anna", "a mistake", "user anna")
    assert dump_tables(app, "registry_version", "journal") == before
    assert db.session.execute(sa.select(CheckRule)).first() is None
    assert journal(app)[-1] == ("user anna", "remove account", "anna", "a mistake")


@pytest.mark.parametrize("what", ["orders", "positions", "results", "signals"])
def test_an_account_with_a_history_stays(app, what):
    add()
    number = account_row().id
    rows = {
        "orders": lambda: book_rows.order(account_id=number),
        "positions": lambda: book_rows.position("LNT", "1", "2", account_id=number),
        "results": lambda: book_rows.result("2026-11-20", account_id=number),
        "signals": lambda: book_rows.filled_signal("LNT", "buy", "1", "1", account_id=number),
    }
    book_rows.add(app, rows[what]())
    with pytest.raises(Conflict, match=f"'anna' has {what} on record and stays; remove its keys instead"):
        broker_accounts.remove_account("anna", "x", "user anna")
    assert account_row().credentials


def test_an_account_that_is_in_use_stays(app):
    add()
    make_stock(app, "LNT", account="anna")
    with pytest.raises(Conflict, match="LNT is traded at 'anna'; give it another account first"):
        broker_accounts.remove_account("anna", "x", "user anna")
    make_stock(app, "LNT", account="paper")
    make_pair(app, "MA-V", account="anna")
    with pytest.raises(Conflict, match="MA-V is traded at 'anna'"):
        broker_accounts.remove_account("anna", "x", "user anna")
    make_pair(app, "MA-V", account="paper")
    with transaction() as session:
        session.execute(sa.update(BrokerAccount).values(is_default=False))
        session.execute(sa.update(BrokerAccount).where(BrokerAccount.name == "anna").values(is_default=True))
    with pytest.raises(Conflict, match="'anna' is the default account"):
        broker_accounts.remove_account("anna", "x", "user anna")
