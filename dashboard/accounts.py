"""The page of broker accounts: which there are, with which keys, and whether real money may be traded."""

from __future__ import annotations

from enum import StrEnum

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue

from dashboard.forms import Form, carry_out
from dashboard.viewer import actor, admins_only, members_only
from dashboard.views.accounts import account_card
from domain.enums import Environment
from domain.errors import AlreadyExists, Conflict, InvalidInput
from extensions import database_time
from services.accounts import broker_accounts
from services.accounts.broker_accounts import AccountForm
from services.accounts.broker_keys import Keys
from services.accounts.check_account import check_account
from services.accounts.known_brokers import SPECS, USUAL
from services.reports.unmonitored_accounts import unwatched_by_account

bp = Blueprint("accounts", __name__)

MAX_NAME = 64
MAX_KEY = 128


class Switch(StrEnum):
    """What a switch is set to."""

    ON = "on"
    OFF = "off"


@bp.get("/accounts")
@members_only
def accounts() -> ResponseReturnValue:
    """Show all accounts, and the forms to change them."""
    return _page(Form())


@bp.post("/accounts")
@admins_only
def deed() -> ResponseReturnValue:
    """Add, change, check or remove an account."""
    deeds = {"add": _add, "keys": _keys, "check": _check, "live": _live, "drop": _drop, "remove": _remove}
    return carry_out(deeds, _page)


def _add(form: Form) -> ResponseReturnValue | None:
    form.subject = form.subject or USUAL
    name, environment = form.text("name", MAX_NAME), form.word("environment", Environment)
    keys = _read_keys(form, form.subject)
    form.confirm_password()

    def act() -> str:
        assert environment is not None  # noqa: S101 - else there is a message
        account = AccountForm(name=name, broker=form.subject, environment=environment, keys=keys)
        try:
            broker_accounts.add_account(account, actor())
        except AlreadyExists:
            raise InvalidInput({"name": "is the name of another account"}) from None
        off = " Live trading is off." if environment is Environment.LIVE else ""
        return f"Added: the account {name}. Its keys work.{off}"

    return form.run(act, url_for("accounts.accounts"))


def _keys(form: Form) -> ResponseReturnValue | None:
    keys = _read_keys(form, broker_accounts.get_account(form.subject).account.broker)
    form.confirm_password()

    def act() -> str:
        broker_accounts.set_keys(form.subject, keys, actor())
        return f"The new keys of {form.subject} work and are in use."

    return form.run(act, url_for("accounts.accounts"))


def _check(form: Form) -> ResponseReturnValue | None:
    def act() -> str:
        check = check_account(form.subject)
        if not check.ok:
            raise Conflict(f"{form.subject}: {check.text}.")
        return f"{form.subject}: {check.text}."

    return form.run(act, url_for("accounts.accounts"))


def _live(form: Form) -> ResponseReturnValue | None:
    to, reason = form.word("on", Switch), form.reason()
    if to is not Switch.OFF:  # to stop must be quick
        form.confirm_password()

    def act() -> str:
        broker_accounts.switch_live(form.subject, to is Switch.ON, reason, actor())
        now = "on: real money is traded" if to is Switch.ON else "off: nothing is sent"
        return f"Live trading of {form.subject} is {now}."

    return form.run(act, url_for("accounts.accounts"))


def _drop(form: Form) -> ResponseReturnValue | None:
    reason = form.reason()
    form.confirm_password()

    def act() -> str:
        broker_accounts.remove_keys(form.subject, reason, actor())
        return f"The keys of {form.subject} are forgotten; nothing is sent there."

    return form.run(act, url_for("accounts.accounts"))


def _remove(form: Form) -> ResponseReturnValue | None:
    reason = form.reason()
    form.confirm_password()

    def act() -> str:
        broker_accounts.remove_account(form.subject, reason, actor())
        return f"Removed: the account {form.subject}."

    return form.run(act, url_for("accounts.accounts"))


def _read_keys(form: Form, broker: str) -> Keys:
    asked = SPECS[broker].credentials if broker in SPECS else ()
    return Keys(**{each.name: form.credential(each, MAX_KEY) for each in asked})


def _page(form: Form) -> str:
    now = database_time()
    away = unwatched_by_account()
    cards = [account_card(known, now, away.get(known.account.id)) for known in broker_accounts.list_accounts()]
    shown = (
        form.deed == ""
        or (form.deed == "add" and form.subject in SPECS)
        or any(form.subject == card.name and form.deed in card.deeds for card in cards)
    )
    return render_template(
        "accounts.html",
        now=now,
        accounts=cards,
        has_own="keys" in {deed for card in cards for deed in card.deeds},
        brokers=[spec for spec in SPECS.values() if spec.wants_credentials],
        form=form,
        refusal_text=None if shown else form.messages.get("form"),
    )
