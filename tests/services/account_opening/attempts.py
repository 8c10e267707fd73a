"""Sign-ups that come to nothing, and accounts that somebody else has opened."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.errors import BrokerAway
from services.account_opening.open_account import EmailRegistered, sign_up
from simulators.alpaca.broker_api import customers
from tests.services.account_opening.desk import OWNER, Alpaca, application


class Died(BaseException):
    """The process is gone."""


def refused(owner: int = OWNER, **more: Any) -> int | None:
    """Sign up in vain; returns the row that is shown to the owner."""
    with pytest.raises(EmailRegistered, match=r"^Email already registered$") as caught:
        sign_up(owner, application(**more), None)
    return caught.value.account_id


def away(text: str, **more: Any) -> None:
    """Sign up in vain, as Alpaca cannot be asked or what it did is not known."""
    with pytest.raises(BrokerAway, match=text):
        sign_up(OWNER, application(**more), None)


def die_in(monkeypatch: pytest.MonkeyPatch, place: object, name: str) -> None:
    """Let the process end where it calls something, in the middle of a sign-up."""

    def die(*arguments: object) -> None:
        raise Died

    monkeypatch.setattr(place, name, die)
    with pytest.raises(Died):
        sign_up(OWNER, application(), None)
    monkeypatch.undo()


def open_elsewhere(alpaca: Alpaca, email: str = "ada@example.com", age: timedelta = timedelta(days=1)) -> None:
    """Let somebody else open an account, some time ago."""
    customer = customers.Customer(
        datetime.now(UTC) - age,
        {"email_address": email},
        {"given_name": "Ada", "family_name": "King"},
        {"is_control_person": False},
        [],
    )
    alpaca.customers.append(customer)
