"""Accounts at brokers: keys are tried before they are stored, and never seen again; real money is switched on by hand."""

import logging

import pytest
import sqlalchemy as sa

from brokers.errors import AccessRefused
from domain.enums import Environment, Scope
from domain.errors import AlreadyExists, BrokerAway, Conflict, InvalidInput, NotFound
from extensions import db, transaction
from models import AccountState, BrokerAccount, CheckRule
from services import broker_accounts, check_rules, registry, vault
from services.accounts import desk_accounts
from services.broker_accounts import AccountForm, get_account
from services.broker_keys import Keys
from services.check_account import check_account
from tests import book_rows
from tests.dashboard.trading import journal
from tests.factories import dump_tables, make_pair, make_stock, together
from tests.keyed_broker import LIVE_KEYS, OTHER_KEYS, PAPER_KEYS, RENEWED_KEYS, WRONG_KEYS, add, shows_a_key

pytestmark = pytest.mark.usefixtures("front_door", "context")


def row(name="anna"):
    return get_account(name).account


def version():
    db.session.rollback()
    return registry.current_version(db.session())


def opened(app, name="anna"):
    account = row(name)
    return vault.unseal(app.config["DESK"].credentials_key, account.id, account.credentials)


def test_an_account_is_added_with_keys_that_work(app, front_door):
    before = version()
    add()
    account = row()
    assert (account.broker, account.environment, account.route) == ("alpaca", "paper", "desk")
    assert (account.key_hint, account.broker_number, account.revision) == ("00AB", "PA3ANNA", 1)
    assert (account.live_enabled, account.may_trade, account.is_default) == (False, True, False)
    assert opened(app) == {"key_id": PAPER_KEYS.key_id, "secret_key": PAPER_KEYS.secret_key}
    assert version() > before
    assert front_door.asked == [("anna", "paper")]
    assert front_door.open == 0
    assert journal(app) == [("user admin", "add account", "anna", "alpaca paper, key …00AB, PA3ANNA")]


def test_a_live_account_begins_with_live_trading_off():
    add("real", "live", LIVE_KEYS)
    assert (row("real").live_enabled, row("real").may_trade) == (False, False)


@pytest.mark.parametrize(("environment", "keys"), [("paper", WRONG_KEYS), ("live", PAPER_KEYS), ("paper", LIVE_KEYS)])
def test_keys_that_the_broker_refuses_are_not_stored(app, front_door, environment, keys):
    before = dump_tables(app)
    with pytest.raises(InvalidInput) as refused:
        add("anna", environment, keys)
    assert refused.value.fields == {
        "key_id": f"Alpaca does not accept these keys for {environment}; paper keys and live keys are different ones"
    }
    assert dump_tables(app) == before
    assert front_door.open == 0


def test_without_an_answer_of_the_broker_nothing_is_stored(app, front_door):
    before = dump_tables(app)
    front_door.away = "no answer (time-out) to {keys.key_id} with {keys.secret_key}"
    with pytest.raises(BrokerAway) as away:
        add()
    assert str(away.value) == "Alpaca cannot be reached now; nothing was stored: no answer (time-out) to *** with ***"
    assert dump_tables(app) == before
    assert front_door.open == 0


KEY_RULE = "must be 8 to 128 plain characters without blanks"
NAME_RULE = "must be the name of an account: 1 to 64 lower-case letters, digits, - or _"


@pytest.mark.parametrize(
    ("form", "wrong"),
    [
        ({"name": "Anna"}, {"name": NAME_RULE}),
        ({"name": ""}, {"name": NAME_RULE}),
        ({"name": "-a"}, {"name": NAME_RULE}),
        ({"name": "anna\n"}, {"name": NAME_RULE}),
        ({"name": "ａnna"}, {"name": NAME_RULE}),
        ({"name": "a" * 65}, {"name": NAME_RULE}),
        ({"name": "paper"}, {"name": "is the name of a built-in account"}),
        ({"name": "external"}, {"name": "is the name of a built-in account"}),
        ({"name": "alpaca-sim"}, {"name": "is the name of a built-in account"}),
        ({"broker": "paper"}, {"broker": "must be one of: alpaca"}),
        ({"broker": "nobody"}, {"broker": "must be one of: alpaca"}),
        ({"key_id": "short"}, {"key_id": KEY_RULE}),
        ({"key_id": "with blank inside"}, {"key_id": KEY_RULE}),
        ({"key_id": "PKPAPER\r\nX-Header: 1"}, {"key_id": KEY_RULE}),
        ({"key_id": "PKPAPER7ANNÄ"}, {"key_id": KEY_RULE}),
        ({"key_id": "PKPAPER7\n"}, {"key_id": KEY_RULE}),
        ({"secret_key": "x" * 129}, {"secret_key": KEY_RULE}),
        ({"secret_key": ""}, {"secret_key": KEY_RULE}),
        ({"name": "B", "key_id": "", "secret_key": "\x00" * 9}, {"name": NAME_RULE, "key_id": KEY_RULE, "secret_key": KEY_RULE}),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named_before_the_broker_is_asked(app, front_door, form, wrong):
    before = dump_tables(app)
    given = {
        "name": "anna",
        "broker": "alpaca",
        "key_id": PAPER_KEYS.key_id,
        "secret_key": PAPER_KEYS.secret_key,
        **form,
    }
    keys = Keys(key_id=given["key_id"], secret_key=given["secret_key"])
    with pytest.raises(InvalidInput) as refused:
        broker_accounts.add_account(AccountForm(name=given["name"], broker=given["broker"], keys=keys), "user admin")
    assert refused.value.fields == wrong
    assert front_door.asked == []
    assert dump_tables(app) == before


def test_a_name_is_taken_once(front_door):
    add()
    with pytest.raises(AlreadyExists, match=r"'account' with that name already exists\."):
        add(keys=OTHER_KEYS)
    assert len(front_door.asked) == 1  # a name that is taken is no reason to try keys


@pytest.mark.parametrize("keys", [PAPER_KEYS, RENEWED_KEYS])
def test_two_names_for_one_account_at_the_broker_are_refused(app, keys):
    add()
    before = dump_tables(app)
    with pytest.raises(InvalidInput, match="key_id: they open the same account as 'anna'"):
        add("again", keys=keys)
    assert dump_tables(app) == before


def test_the_same_keys_are_noticed_where_the_broker_gives_no_number(front_door):
    front_door.accounts[Environment.PAPER, PAPER_KEYS] = ""
    add()
    assert row().broker_number is None
    with pytest.raises(InvalidInput, match="they open the same account as 'anna'"):
        add("again")


def test_the_same_number_in_another_environment_is_another_account(front_door):
    front_door.accounts[Environment.SIMULATOR, PAPER_KEYS] = "PA3ANNA"
    add()
    add("rehearsal", "simulator")
    assert row("rehearsal").environment == "simulator"


def test_of_two_that_add_the_same_at_once_one_succeeds(app, front_door):
    def act(name):
        with app.app_context():
            add(name)

    results = together(*(lambda name=name: act(name) for name in ("a1", "a2", "a3")))
    assert [type(result) for result in results if result is not None] == [InvalidInput, InvalidInput]
    assert sum(known.account.broker == "alpaca" for known in broker_accounts.list_accounts()) == 1


def test_keys_are_replaced_and_the_revision_rises(app):
    add()
    broker_accounts.set_keys("anna", RENEWED_KEYS, "user anna")
    assert (row().revision, row().key_hint) == (2, "00CD")
    assert opened(app)["key_id"] == RENEWED_KEYS.key_id
    assert journal(app)[-1] == ("user anna", "set keys", "anna", "key …00CD, PA3ANNA")


def test_keys_of_another_account_do_not_replace_those_of_this_one(app):
    add()
    before = dump_tables(app)
    with pytest.raises(InvalidInput, match="key_id: they open the account PA3BERT, this one is PA3ANNA"):
        broker_accounts.set_keys("anna", OTHER_KEYS, "user anna")
    assert dump_tables(app) == before


@pytest.mark.parametrize("away", ["", "no answer"])
def test_keys_that_do_not_work_leave_those_in_use(app, front_door, away):
    add()
    before = dump_tables(app)
    front_door.away = away
    with pytest.raises(BrokerAway if away else InvalidInput):
        broker_accounts.set_keys("anna", WRONG_KEYS, "user anna")
    assert dump_tables(app) == before


def test_keys_that_another_account_has_are_refused(front_door):
    front_door.accounts[Environment.PAPER, PAPER_KEYS] = ""
    front_door.accounts[Environment.PAPER, OTHER_KEYS] = ""
    add()
    add("bert", keys=OTHER_KEYS)
    with pytest.raises(InvalidInput, match="they open the same account as 'anna'"):
        broker_accounts.set_keys("bert", PAPER_KEYS, "user anna")


def test_keys_of_an_account_that_was_replaced_meanwhile_go_nowhere(app, front_door):
    def replace():
        front_door.meanwhile = None
        broker_accounts.remove_account("anna", "to be added anew", "user bert")
        front_door.accounts[Environment.LIVE, PAPER_KEYS] = "77"
        add("anna", "live")

    add()
    front_door.meanwhile = replace
    with pytest.raises(NotFound):
        broker_accounts.set_keys("anna", RENEWED_KEYS, "user anna")
    assert (row().environment, row().key_hint) == ("live", "00AB")


@pytest.mark.parametrize("name", ["paper", "external"])
def test_built_in_accounts_have_no_keys_and_stay(app, name):
    before = dump_tables(app)
    acts = [
        lambda: broker_accounts.set_keys(name, PAPER_KEYS, "x"),
        lambda: broker_accounts.remove_keys(name, "x", "x"),
        lambda: broker_accounts.remove_account(name, "x", "x"),
    ]
    for act in acts:
        with pytest.raises(Conflict):
            act()
    assert dump_tables(app) == before


def test_what_is_not_there_is_not_found():
    acts = [
        lambda: get_account("nobody"),
        lambda: check_account("nobody"),
        lambda: broker_accounts.set_keys("nobody", PAPER_KEYS, "x"),
        lambda: broker_accounts.remove_keys("nobody", "x", "x"),
        lambda: broker_accounts.switch_live("nobody", True, "x", "x"),
        lambda: broker_accounts.remove_account("nobody", "x", "x"),
    ]
    for act in acts:
        with pytest.raises(NotFound):
            act()


# Live trading


def test_live_trading_is_switched_on_and_off_with_a_reason(app):
    add("real", "live", LIVE_KEYS)
    before = version()
    broker_accounts.switch_live("real", True, "tested for a month", "user anna")
    assert row("real").may_trade
    assert version() > before
    broker_accounts.switch_live("real", True, "once more", "user anna")
    broker_accounts.switch_live("real", False, "holiday", "user anna")
    assert not row("real").may_trade
    assert journal(app)[1:] == [
        ("user anna", "live trading on", "real", "tested for a month"),
        ("user anna", "live trading off", "real", "holiday"),
    ]


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


# Without keys


def test_without_keys_nothing_can_be_connected_to(app):
    add("real", "live", LIVE_KEYS)
    broker_accounts.switch_live("real", True, "tested", "user anna")
    before = desk_accounts()[row("real").id]
    assert (before.may_trade, before.needs_keys) == (True, True)
    broker_accounts.remove_keys("real", "they leaked", "user anna")
    account = row("real")
    assert (account.credentials, account.key_hint, account.live_enabled, account.revision) == (None, None, False, 2)
    assert account.broker_number == "123456789"
    after = desk_accounts()[account.id]
    assert after != before  # so that workers leave it
    assert after.credentials is None
    assert journal(app)[-1] == ("user anna", "remove keys", "real", "they leaked")
    with pytest.raises(Conflict, match="has no keys; set them first"):
        broker_accounts.switch_live("real", True, "again", "user anna")
    broker_accounts.set_keys("real", LIVE_KEYS, "user anna")
    assert not row("real").may_trade


def test_forgotten_keys_may_open_an_account_of_another_name():
    add()
    broker_accounts.remove_keys("anna", "they leaked", "user anna")
    add("again")
    with pytest.raises(InvalidInput, match="they open the same account as 'again'"):
        broker_accounts.set_keys("anna", PAPER_KEYS, "user anna")


# Removing


def test_an_account_without_a_history_is_removed(app):
    before = dump_tables(app, "registry_version", "journal")
    add()
    number = row().id
    check_rules.set_rule(
        check_rules.RuleForm(check="max_quantity", scope=Scope.ACCOUNT, scope_name="anna", limit=1), "x"
    )
    book_rows.add(app, AccountState(account_id=number, cash=1), book_rows.quote("LNT", "1", "2", account_id=number))
    broker_accounts.remove_account("anna", "a mistake", "user anna")
    assert dump_tables(app, "registry_version", "journal") == before
    assert db.session.execute(sa.select(CheckRule)).first() is None
    assert journal(app)[-1] == ("user anna", "remove account", "anna", "a mistake")


@pytest.mark.parametrize("what", ["orders", "positions", "results", "signals"])
def test_an_account_with_a_history_stays(app, what):
    add()
    number = row().id
    rows = {
        "orders": lambda: book_rows.order(account_id=number),
        "positions": lambda: book_rows.position("LNT", "1", "2", account_id=number),
        "results": lambda: book_rows.result("2026-11-20", account_id=number),
        "signals": lambda: book_rows.filled_signal("LNT", "buy", "1", "1", account_id=number),
    }
    book_rows.add(app, rows[what]())
    with pytest.raises(Conflict, match=f"'anna' has {what} on record and stays; remove its keys instead"):
        broker_accounts.remove_account("anna", "x", "user anna")
    assert row().credentials


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


# Asking the broker


def test_the_broker_is_asked_now(front_door):
    add()
    found = check_account("anna")
    assert (found.ok, found.text) == (True, "the broker answers and takes orders")
    assert found.report.buying_power
    front_door.blocked = "trading is blocked"
    assert check_account("anna").text == "the broker answers, but takes no orders: trading is blocked"
    front_door.away = "no answer (time-out)"
    assert (check_account("anna").ok, check_account("anna").text) == (
        False,
        "the broker cannot be reached: no answer (time-out)",
    )
    front_door.away = "no answer to {keys.key_id} with {keys.secret_key}"
    assert check_account("anna").text == "the broker cannot be reached: no answer to *** with ***"
    front_door.away = ""
    front_door.accounts.clear()
    text = "the broker does not accept its keys: request of *** is not authorized"
    assert check_account("anna").text == text
    assert front_door.open == 0


def test_an_account_without_keys_is_not_asked(front_door):
    add()
    broker_accounts.remove_keys("anna", "they leaked", "user anna")
    assert (check_account("anna").ok, check_account("anna").text) == (False, "it has no keys")
    assert len(front_door.asked) == 1


def test_keys_that_cannot_be_decrypted_are_told(front_door):
    add()
    with transaction() as session:
        session.execute(
            sa.update(BrokerAccount)
            .where(BrokerAccount.name == "anna")
            .values(credentials="x" + BrokerAccount.credentials)
        )
    found = check_account("anna")
    assert not found.ok
    assert "its keys cannot be decrypted" in found.text
    add("again", keys=OTHER_KEYS)  # nor do they hinder others


def test_the_paper_broker_answers_and_your_own_executor_is_not_asked():
    assert check_account("paper").ok
    with pytest.raises(Conflict, match="Your own executor trades 'external'"):
        check_account("external")


# Secrets


def test_no_key_is_seen_again(app, front_door, caplog):
    caplog.set_level(logging.DEBUG)
    refusals = []
    add()
    add("real", "live", LIVE_KEYS)
    for act in (
        lambda: add("wrong", keys=WRONG_KEYS),
        lambda: add("again"),
        lambda: broker_accounts.set_keys("anna", OTHER_KEYS, "x"),
    ):
        with pytest.raises(InvalidInput) as refused:
            act()
        refusals += [str(refused.value), repr(refused.value), str(refused.value.__cause__)]
        assert not isinstance(refused.value.__cause__, AccessRefused)
    check_account("anna")
    broker_accounts.set_keys("anna", RENEWED_KEYS, "user anna")
    broker_accounts.switch_live("real", True, "tested", "user anna")
    db.session.remove()
    for text in (
        str(dump_tables(app)),
        caplog.text,
        *refusals,
        repr(LIVE_KEYS),
        repr(AccountForm(name="a", keys=LIVE_KEYS)),
    ):
        assert shows_a_key(text) == []
    assert "add account anna" in caplog.text
