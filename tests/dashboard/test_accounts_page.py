"""The page of broker accounts."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from models import AccountState, BrokerAccount
from services.accounts import broker_accounts
from services.accounts.broker_keys import Keys
from tests.dashboard.support import plain_text, scalars
from tests.dashboard.trading import HOSTILE, journal, send
from tests.support import book_rows
from tests.support.factories import ADMIN_PASSWORD, dump_tables
from tests.support.keyed_broker import LIVE_KEYS, OTHER_KEYS, PAPER_KEYS, RENEWED_KEYS, WRONG_KEYS, add, shows_a_key

NOWHERE = ("rate_limits", "web_sessions")


@pytest.fixture(autouse=True)
def door(front_door):
    """The broker's front door; every test meets it."""
    return front_door


def deed(client, what, subject="anna", keys=None, **fields):
    subject = "alpaca" if what == "add" else subject
    typed = {"key_id": keys["key_id"], "secret_key": keys["secret_key"]} if keys else {}
    return send(client, "/accounts", what, **{"subject": subject, "password": ADMIN_PASSWORD, **typed, **fields})


def add_by_form(client, keys=PAPER_KEYS, **fields):
    return deed(client, "add", "", keys, **{"name": "anna", "environment": "paper", **fields})


def names(app):
    return scalars(app, sa.select(BrokerAccount.name).order_by(BrokerAccount.id))


def known(app, name="anna"):
    with app.app_context():
        return broker_accounts.get_account(name).account


def add_account(app, *args):
    with app.app_context():
        add(*args)


def card(response, name="anna"):
    """Return one account's part of the page."""
    cards = {
        part.split("<bdi>")[1].split("</bdi>")[0]: part
        for part in response.text.split("<section ")[1:]
        if "broker-card" in part
    }
    return cards[name].split("</section>")[0]


def card_text(response, name="anna"):
    return plain_text(type("Part", (), {"text": card(response, name)}))


def message(response, field):
    return response.text.split(f'id="wrong-{field}">')[1].split("</p>")[0].replace("&#39;", "'")


def test_a_new_desk_explains_itself(member):
    page = member.get("/accounts")
    text = plain_text(page)
    assert "No account at a broker has been added yet." in text
    assert "The keys of paper do not open live" in text
    assert "The built-in paper broker: play money, on this machine" in card_text(page, "paper")
    assert "left to your executor" in card_text(page, "external")
    assert "Switch live trading" not in page.text


def test_an_account_is_added(app, member):
    assert add_by_form(member).status_code == 303
    page = member.get("/accounts")
    assert "Added: the account anna. Its keys work." in plain_text(page)
    text = card_text(page)
    for part in (
        "paper anna",
        "Alpaca, play money",
        "trades play money",
        "…00AB",
        "PA3ANNA",
        "no worker has asked the broker yet",
    ):
        assert part in text
    assert "No account at a broker" not in page.text
    assert journal(app) == [("user admin", "add account", "anna", "alpaca paper, key …00AB, PA3ANNA")]


def test_real_money_cannot_be_overlooked(app, member):
    assert add_by_form(member, LIVE_KEYS, name="real", environment="live").status_code == 303
    page = member.get("/accounts")
    assert "Live trading is off." in plain_text(page)
    assert '<span class="badge critical">' in card(page, "real")
    text = card_text(page, "real")
    for part in (
        "LIVE real",
        "Alpaca, real money",
        "live trading is off, nothing is sent",
        "Real money will be traded.",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("keys", "fields", "field", "told"),
    [
        (WRONG_KEYS, {}, "key_id", "Alpaca does not accept these keys for paper; paper keys and live keys are different ones"),
        (PAPER_KEYS, {"environment": "live"}, "key_id", "Alpaca does not accept these keys for live"),
        (PAPER_KEYS, {"key_id": ""}, "key_id", "is needed"),
        (PAPER_KEYS, {"key_id": "x" * 129}, "key_id", "is too long"),
        (PAPER_KEYS, {"key_id": "with a blank"}, "key_id", "must be 8 to 128 plain characters without blanks"),
        (PAPER_KEYS, {"secret_key": "short"}, "secret_key", "must be 8 to 128 plain characters without blanks"),
        (OTHER_KEYS, {"name": "taken"}, "name", "is the name of another account"),
        (PAPER_KEYS, {"name": "alpaca-sim"}, "name", "is the name of a built-in account"),
        (PAPER_KEYS, {"name": HOSTILE[:40]}, "name", "must be the name of an account"),
        (PAPER_KEYS, {"name": ""}, "name", "is needed"),
        (PAPER_KEYS, {"password": ""}, "password", "is needed for this"),
    ],
)  # fmt: skip
def test_a_wrong_account_gets_its_message_and_is_not_added(app, member, keys, fields, field, told):
    add_account(app, "taken", "paper", OTHER_KEYS)
    before = dump_tables(app, *NOWHERE)
    response = add_by_form(member, keys, **fields)
    assert response.status_code == 400
    assert told in message(response, field)
    assert dump_tables(app, *NOWHERE) == before
    assert keys["secret_key"] not in response.text
    assert ADMIN_PASSWORD not in response.text
    assert "<img src=x" not in response.text
    form = response.text.split('id="add-alpaca"')[1]
    typed = fields.get("key_id", keys["key_id"])
    assert f' value="{typed if typed.startswith("PK") else ""}"' in form.split('name="key_id"')[1].split(">")[0]
    assert "value=" not in form.split('name="secret_key"')[1].split(">")[0]


def test_what_was_typed_beside_the_keys_comes_back(member):
    response = add_by_form(member, WRONG_KEYS, name="real", environment="live")
    assert 'value="real"' in response.text
    assert 'value="live" checked' in response.text


def test_a_secret_in_the_field_of_the_key_id_does_not_come_back(member):
    swapped = Keys(key_id=PAPER_KEYS["secret_key"], secret_key=PAPER_KEYS["key_id"])
    assert shows_a_key(add_by_form(member, swapped).text) == []


@pytest.mark.parametrize(
    ("keys", "fields", "told"),
    [
        (PAPER_KEYS, {"password": "wrong"}, "Not done. Your password is wrong."),
        (PAPER_KEYS, {"name": ""}, "Not done. Name is needed."),
        (WRONG_KEYS, {}, "Not done. Key id: Alpaca does not accept these keys for paper"),
    ],
)
def test_what_is_wrong_stands_above_the_form_with_the_name_of_its_field(member, keys, fields, told):
    response = add_by_form(member, keys, **fields)
    form = response.text.split('id="add-alpaca"')[1]
    assert told in plain_text(type("Part", (), {"text": form}))
    assert 'role="alert" tabindex="-1"' in form
    assert response.text.count('aria-current="page"') == 1


def test_an_unknown_environment_is_refused(app, member):
    response = add_by_form(member, environment="sandbox")
    assert response.status_code == 400
    assert "must be one of: paper, live, simulator" in response.text
    assert names(app) == ["paper", "external"]


def test_a_wrong_password_tries_no_keys(app, member, door):
    response = add_by_form(member, password="wrong")
    assert (response.status_code, message(response, "password")) == (401, "is wrong")
    assert door.asked == []
    assert names(app) == ["paper", "external"]


def test_a_broker_that_is_away_is_told(app, member, door):
    door.away = "no answer from Alpaca (ReadTimeout) to {keys[secret_key]}"
    response = add_by_form(member)
    assert response.status_code == 503
    assert "Alpaca cannot be reached now; nothing was stored: no answer from Alpaca (ReadTimeout) to ***" in plain_text(
        response
    )
    assert names(app) == ["paper", "external"]


def test_keys_are_set(app, member):
    add_account(app)
    assert deed(member, "keys", keys=WRONG_KEYS).status_code == 400
    response = deed(member, "keys", keys=OTHER_KEYS)
    assert "add it as another account" in message(response, "key_id")
    assert "<details open>" in card(response)
    assert known(app).revision == 1
    assert deed(member, "keys", keys=RENEWED_KEYS).status_code == 303
    assert (known(app).revision, known(app).key_hint) == (2, "00CD")
    assert "The new keys of anna work and are in use." in plain_text(member.get("/accounts"))


def test_live_trading_is_switched_on_with_password_and_reason(app, member):
    add_account(app, "real", "live", LIVE_KEYS)
    on = {"on": "on", "reason": "tested for a month"}
    assert deed(member, "live", "real", **on, password="wrong").status_code == 401
    assert deed(member, "live", "real", **{**on, "reason": ""}).status_code == 400
    assert deed(member, "live", "real", **{**on, "on": "yes"}).status_code == 400
    assert not known(app, "real").live_enabled
    assert deed(member, "live", "real", **on).status_code == 303
    assert known(app, "real").live_enabled
    page = member.get("/accounts")
    assert "Live trading of real is on: real money is traded." in plain_text(page)
    assert "trades real money" in card_text(page, "real")
    assert "Switch live trading off" in card(page, "real")


def test_live_trading_is_switched_off_without_a_password(app, member):
    add_account(app, "real", "live", LIVE_KEYS)
    deed(member, "live", "real", on="on")
    assert deed(member, "live", "real", on="off", password="").status_code == 303
    assert not known(app, "real").live_enabled
    assert [entry[1] for entry in journal(app)] == ["add account", "live trading on", "live trading off"]


def test_play_money_has_no_switch(app, member):
    add_account(app)
    response = deed(member, "live", on="on")
    assert response.status_code == 400
    assert not known(app).live_enabled


def test_the_broker_is_asked_now(app, member, door):
    add_account(app)
    assert deed(member, "check").status_code == 303
    assert "anna: the broker answers and takes orders." in plain_text(member.get("/accounts"))
    door.away = "no answer"
    response = deed(member, "check")
    assert response.status_code == 409
    assert "anna: the broker cannot be reached: no answer." in card_text(response)


def test_keys_are_forgotten_and_accounts_removed(app, member):
    add_account(app)
    for what in ("drop", "remove"):
        assert deed(member, what, password="wrong").status_code == 401
        assert deed(member, what, reason="").status_code == 400
    assert deed(member, "drop", reason="they leaked").status_code == 303
    page = member.get("/accounts")
    assert "no keys, nothing is sent" in card_text(page)
    for gone in ("Forget its keys", "Ask the broker now"):
        assert gone not in card(page)
    assert "anna: it has no keys." in plain_text(deed(member, "check"))
    assert deed(member, "remove", reason="a mistake").status_code == 303
    assert names(app) == ["paper", "external"]


def test_an_account_with_a_history_says_why_it_stays(app, member):
    add_account(app)
    book_rows.add(app, book_rows.order(account_id=known(app).id))
    response = deed(member, "remove", reason="a mistake")
    assert response.status_code == 409
    assert "'anna' has orders on record and stays" in card_text(response)


def test_a_deed_that_an_account_does_not_have_is_told_above(member):
    response = deed(member, "remove", "paper")
    assert response.status_code == 409
    assert "'paper' is built in and stays." in plain_text(response)
    assert "built in and stays" not in card_text(response, "paper")


@pytest.mark.parametrize("what", ["keys", "check", "live", "drop", "remove"])
@pytest.mark.parametrize("name", ["nobody", "", "ANNA", "' OR 1=1--"])
def test_an_account_that_is_not_there_is_404(app, member, what, name):
    add_account(app)
    assert deed(member, what, name, RENEWED_KEYS, on="on").status_code == 404


@pytest.mark.parametrize(("what", "name"), [("nothing", "anna"), ("", "anna"), ("check", "a\x00"), ("check", "a\nb")])
def test_a_form_that_is_none_is_refused(member, what, name):
    assert deed(member, what, name).status_code == 400


def test_what_the_worker_heard_is_shown(app, member):
    add_account(app)
    now = datetime.now(UTC)
    book_rows.add(
        app,
        AccountState(
            account_id=known(app).id, currency="USD", buying_power=Decimal("168421"), equity=Decimal("84210.5"), blocked="trading is blocked",
            trouble="no answer from Alpaca", heard_at=now - timedelta(seconds=200), stream_heard_at=now, stream_trouble="closed by Alpaca",
        ),
    )  # fmt: skip
    page = member.get("/accounts")
    text = card_text(page)
    for part in (
        "168,421.00 USD",
        "84,210.50 USD",
        "no answer from Alpaca; blocked: trading is blocked",
        "closed by Alpaca",
    ):
        assert part in text
    assert '<dd class="worse">' in card(page)
    assert "data-age=" in card(page)


def test_hostile_words_of_a_broker_are_shown_as_text(app, member, door):
    add_account(app)
    book_rows.add(app, AccountState(account_id=known(app).id, trouble=HOSTILE[:200], stream_trouble=HOSTILE[:200]))
    door.away = HOSTILE.replace("{", "(").replace("}", ")")
    for response in (member.get("/accounts"), deed(member, "check")):
        assert "<img src=x" not in response.text
        assert "<script>document" not in response.text
        assert "&lt;img src=x" in response.text
