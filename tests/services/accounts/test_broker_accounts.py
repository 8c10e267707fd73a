"""Accounts at brokers: keys are tried before they are stored, and never seen again; real money is switched on by hand."""

import pytest

from domain.enums import Environment
from domain.errors import AlreadyExists, BrokerAway, Conflict, InvalidInput, NotFound
from services.accounts import broker_accounts
from services.accounts.broker_accounts import AccountForm, get_account
from services.accounts.broker_keys import Keys
from services.accounts.check_account import check_account
from tests.dashboard.trading import journal
from tests.support.factories import dump_tables, together
from tests.support.keyed_broker import (
    LIVE_KEYS,
    OTHER_KEYS,
    PAPER_KEYS,
    RENEWED_KEYS,
    WRONG_KEYS,
    account_row,
    add,
    opened_keys,
    registry_version,
)

pytestmark = pytest.mark.usefixtures("front_door", "context")


def test_an_account_is_added_with_keys_that_work(app, front_door):
    before = registry_version()
    add()
    account = account_row()
    assert (account.broker, account.environment, account.route) == ("alpaca", "paper", "desk")
    assert (account.key_hint, account.broker_number, account.revision) == ("00AB", "PA3ANNA", 1)
    assert (account.live_enabled, account.may_trade, account.is_default) == (False, True, False)
    assert opened_keys(app) == {"key_id": PAPER_KEYS["key_id"], "secret_key": PAPER_KEYS["secret_key"]}
    assert registry_version() > before
    assert front_door.asked == [("anna", "paper")]
    assert front_door.open == 0
    assert journal(app) == [("user admin", "add account", "anna", "alpaca paper, key …00AB, PA3ANNA")]


def test_a_live_account_begins_with_live_trading_off():
    add("real", "live", LIVE_KEYS)
    assert (account_row("real").live_enabled, account_row("real").may_trade) == (False, False)


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
    front_door.away = "no answer (time-out) to {keys[key_id]} with {keys[secret_key]}"
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
        "key_id": PAPER_KEYS["key_id"],
        "secret_key": PAPER_KEYS["secret_key"],
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
    assert account_row().broker_number is None
    with pytest.raises(InvalidInput, match="they open the same account as 'anna'"):
        add("again")


def test_the_same_number_in_another_environment_is_another_account(front_door):
    front_door.accounts[Environment.SIMULATOR, PAPER_KEYS] = "PA3ANNA"
    add()
    add("rehearsal", "simulator")
    assert account_row("rehearsal").environment == "simulator"


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
    assert (account_row().revision, account_row().key_hint) == (2, "00CD")
    assert opened_keys(app)["key_id"] == RENEWED_KEYS["key_id"]
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
    assert (account_row().environment, account_row().key_hint) == ("live", "00AB")


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
