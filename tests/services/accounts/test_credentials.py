"""Keys at rest: what opens them, and what does not."""

import base64

import pytest
import sqlalchemy as sa

from extensions import db, transaction
from models import BrokerAccount
from services.accounts import credentials
from services.accounts.connections import connect, desk_accounts
from services.accounts.credentials import CredentialsUnreadable, reseal, seal, unseal
from services.accounts.rotate_credentials import reseal_all
from services.catalog import snapshots
from services.setup import prepare_database
from services.worker import housekeeping
from tests.dashboard.trading import journal
from tests.support.apps import closing_app
from tests.support.factories import dump_tables, make_config
from tests.support.keyed_broker import LIVE_KEYS, PAPER_KEYS, add, shows_a_key

OLD = "the first key of this desk and made at its first start"
NEW = "the second key of this desk that was made when the first had leaked"
CREDENTIALS = {"key_id": PAPER_KEYS.key_id, "secret_key": PAPER_KEYS.secret_key}


def test_what_was_sealed_is_opened_again():
    token = seal(OLD, 7, CREDENTIALS)
    assert unseal(OLD, 7, token) == CREDENTIALS
    assert shows_a_key(token + base64.urlsafe_b64decode(token).decode("latin-1")) == []
    assert seal(OLD, 7, CREDENTIALS) != token  # equal keys do not look equal


@pytest.mark.parametrize("key", [NEW, OLD + " ", f"{NEW},{NEW} or not"])
def test_another_key_opens_nothing(key):
    token = seal(OLD, 7, CREDENTIALS)
    if key == OLD + " ":  # blanks around a part are not part of it
        assert unseal(key, 7, token) == CREDENTIALS
        return
    with pytest.raises(CredentialsUnreadable, match="CREDENTIALS_KEY is another one"):
        unseal(key, 7, token)
    with pytest.raises(CredentialsUnreadable, match="CREDENTIALS_KEY lacks the one"):
        reseal(key, token)


@pytest.mark.parametrize("token", ["", "x", "ä", "gAAAAA==", "\x00", "A" * 200])
def test_what_was_never_sealed_opens_nothing(token):
    with pytest.raises(CredentialsUnreadable):
        unseal(OLD, 7, token)
    with pytest.raises(CredentialsUnreadable):
        reseal(OLD, token)


def test_a_token_in_another_row_opens_nothing():
    with pytest.raises(CredentialsUnreadable, match="belong to another account"):
        unseal(OLD, 8, seal(OLD, 7, CREDENTIALS))


def test_a_changed_token_opens_nothing():
    token = seal(OLD, 7, CREDENTIALS)
    for place in (20, len(token) // 2, len(token) - 10):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        with pytest.raises(CredentialsUnreadable):
            unseal(OLD, 7, changed)


def test_keys_are_rotated_in_three_steps():
    token = seal(OLD, 7, CREDENTIALS)
    assert unseal(f"{NEW}, {OLD}", 7, token) == CREDENTIALS
    moved = reseal(f"{NEW},{OLD}", token)
    assert unseal(NEW, 7, moved) == CREDENTIALS
    with pytest.raises(CredentialsUnreadable):
        unseal(OLD, 7, moved)


def test_a_row_that_was_moved_is_not_connected_to(context, front_door):
    add()
    add("real", "live", LIVE_KEYS)
    rows = {row.name: row for row in db.session.execute(sa.select(BrokerAccount)).scalars()}
    with transaction() as session:
        session.execute(
            sa.update(BrokerAccount).where(BrokerAccount.name == "real").values(credentials=rows["anna"].credentials)
        )
    terms = {each.name: each for each in desk_accounts().values()}
    with pytest.raises(CredentialsUnreadable, match="its keys belong to another account"):
        connect(context.config["DESK"], terms["real"])


def desk_with(database_url, folder, key):
    return closing_app(make_config(database_url, folder, CREDENTIALS_KEY=key))


def test_all_keys_are_encrypted_anew(database_url, tmp_path, front_door):
    with desk_with(database_url, tmp_path, OLD) as app, app.app_context():
        add()
        add("real", "live", LIVE_KEYS)
    with desk_with(database_url, tmp_path, f"{NEW},{OLD}") as app:
        runner = app.test_cli_runner()
        with app.app_context():
            before = snapshots.current_version(db.session())
        result = runner.invoke(args=["secrets", "reseal"])
        assert (result.exit_code, result.output) == (0, "Encrypted anew: the keys of 2 account(s).\n")
        assert journal(app)[-1][1:] == ("reseal", "keys of accounts", "2 encrypted anew")
        with app.app_context():
            assert snapshots.current_version(db.session()) > before
    with desk_with(database_url, tmp_path, NEW) as app, app.app_context():
        opened = {row.name: unseal(NEW, row.id, row.credentials) for row in desk_accounts().values() if row.credentials}
        assert {name: keys["key_id"] for name, keys in opened.items()} == {
            "anna": PAPER_KEYS.key_id,
            "real": LIVE_KEYS.key_id,
        }


def test_keys_that_cannot_be_read_are_named_and_left_alone(database_url, tmp_path, front_door):
    with desk_with(database_url, tmp_path, OLD) as app, app.app_context():
        add()
        before = dump_tables(app)["broker_accounts"]
    with desk_with(database_url, tmp_path, NEW) as app:
        result = app.test_cli_runner().invoke(args=["secrets", "reseal"])
        assert result.exit_code == 1
        assert "The keys of anna cannot be read" in result.output
        with app.app_context():
            assert dump_tables(app)["broker_accounts"] == before
            assert reseal_all("x").unreadable == ("anna",)


def health(app):
    result = app.test_cli_runner().invoke(args=["health"])
    return result.exit_code, [line for line in result.output.splitlines() if " keys: " in line]


def test_a_key_of_the_desk_that_opens_nothing_is_noticed(database_url, tmp_path, front_door, caplog):
    with desk_with(database_url, tmp_path, OLD) as app, app.app_context():
        housekeeping.heartbeat("worker")
        assert health(app) == (0, ["ok   keys: all that are stored can be read"])
        add()
        add("real", "live", LIVE_KEYS)
        assert health(app)[0] == 0
        prepare_database(app.config["DESK"])
        assert "keys of accounts" not in caplog.text
    with desk_with(database_url, tmp_path, NEW) as app:
        text = "those of anna, real cannot be read; give back the CREDENTIALS_KEY they were set with"
        assert health(app) == (1, [f"FAIL keys: {text}"])
        with app.app_context():
            prepare_database(app.config["DESK"])
        assert [record.getMessage() for record in caplog.records if record.levelname == "CRITICAL"] == [
            f"keys of accounts: {text}"
        ]
        assert "keys" not in str(app.test_client().get("/readyz").json)  # alerts are taken all the same


def test_the_key_of_the_desk_is_not_used_as_it_is():
    assert OLD.encode() not in base64.urlsafe_b64decode(credentials._derive(OLD))
