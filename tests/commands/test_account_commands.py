"""The `flask accounts` commands."""

import pytest

from services.accounts.broker_accounts import get_account
from tests.dashboard.trading import journal
from tests.support.factories import dump_tables
from tests.support.keyed_broker import LIVE_KEYS, OTHER_KEYS, PAPER_KEYS, RENEWED_KEYS, WRONG_KEYS, shows_a_key

pytestmark = pytest.mark.usefixtures("front_door")


@pytest.fixture
def run(app):
    """Run a command; returns exit code and output, in which no key may stand."""

    def run(*words, typed=""):
        result = app.test_cli_runner().invoke(args=["accounts", *words], input=typed)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert shows_a_key(result.output) == []
        return result.exit_code, result.output

    return run


def typed(keys):
    return f"{keys['key_id']}\n{keys['secret_key']}\n"


def test_accounts_are_added_and_listed(run):
    code, told = run("add", "anna", typed=typed(PAPER_KEYS))
    assert (code, told.splitlines()[-1]) == (0, "Added: anna  alpaca  paper  key …00AB  PA3ANNA")
    code, told = run(
        "add", "real", "--environment", "live", "--key-id", LIVE_KEYS["key_id"], "--secret-stdin", typed=f"{LIVE_KEYS['secret_key']}\n"
    )  # fmt: skip
    assert (code, told) == (0, "Added: real  alpaca  live  key …00GH  123456789  live trading off\n")
    assert run("list")[1].splitlines() == [
        "paper  paper  default",
        "external  external",
        "anna  alpaca  paper  key …00AB  PA3ANNA",
        "real  alpaca  live  key …00GH  123456789  live trading off",
    ]


def test_keys_are_set_and_forgotten(run, app):
    run("add", "anna", typed=typed(PAPER_KEYS))
    code, told = run("keys", "anna", typed=typed(RENEWED_KEYS))
    assert (code, told.splitlines()[-1]) == (0, "Set: anna  alpaca  paper  key …00CD  PA3ANNA")
    code, told = run("remove", "anna", "--keys-only", "--reason", "they leaked")
    assert (code, told) == (0, "anna  alpaca  paper  no keys  PA3ANNA\n")
    with app.app_context():
        assert get_account("anna").account.credentials is None


def test_live_trading_is_switched_and_goes_on_record(run, app):
    run("add", "real", "--environment", "live", typed=typed(LIVE_KEYS))
    assert run("live", "real", "on")[0] == 2  # no reason
    assert run("live", "real", "on", "--reason", "tested")[1].endswith("LIVE TRADING ON\n")
    assert run("live", "real", "off", "--reason", "holiday")[1].endswith("live trading off\n")
    assert [(entry[1], entry[3]) for entry in journal(app)[1:]] == [
        ("live trading on", "tested"),
        ("live trading off", "holiday"),
    ]
    assert all(entry[0].startswith("shell user ") for entry in journal(app))


def test_an_account_is_checked_and_removed(run, front_door):
    run("add", "anna", typed=typed(PAPER_KEYS))
    assert run("check", "anna") == (0, "ok   anna: the broker answers and takes orders\nbuying power 4000.5 USD\n")
    front_door.away = "no answer"
    assert run("check", "anna") == (1, "FAIL anna: the broker cannot be reached: no answer\n")
    assert run("remove", "anna", "--reason", "a mistake") == (0, "Account anna removed.\n")
    assert "anna" not in run("list")[1]


@pytest.mark.parametrize(
    ("words", "keys", "told"),
    [
        (("add", "anna"), WRONG_KEYS, "key_id: Alpaca does not accept these keys for paper"),
        (("add", "Anna"), PAPER_KEYS, "name: must be the name of an account"),
        (("add", "paper"), PAPER_KEYS, "name: is the name of a built-in account"),
        (("add", "bert"), OTHER_KEYS, "'account' with that name already exists."),
        (("add", "anna", "--environment", "sandbox"), PAPER_KEYS, "'sandbox' is not one of"),
        (("keys", "nobody"), PAPER_KEYS, "item not found."),
        (("keys", "bert"), PAPER_KEYS, "key_id: they open the account PA3ANNA, this one is PA3BERT"),
        (("live", "bert", "on", "--reason", "x"), None, "on: 'bert' trades play money (paper)"),
        (("check", "external"), None, "Your own executor trades 'external'"),
        (("remove", "paper", "--reason", "x"), None, "'paper' is built in and stays."),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(run, app, words, keys, told):
    run("add", "bert", typed=typed(OTHER_KEYS))
    before = dump_tables(app)
    code, output = run(*words, typed=typed(keys) if keys else "")
    assert code != 0
    assert told in output.splitlines()[-1]
    assert dump_tables(app) == before


def test_a_broker_that_is_away_is_told(run, front_door):
    front_door.away = "no answer from Alpaca (ConnectionError)"
    code, told = run("add", "anna", typed=typed(PAPER_KEYS))
    assert code == 1
    assert told.endswith(
        "Error: Alpaca cannot be reached now; nothing was stored: no answer from Alpaca (ConnectionError)\n"
    )
