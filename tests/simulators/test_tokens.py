"""Tokens for the Broker API: what they are given for, what they open, and for how long."""

from typing import Any

import pytest

from simulators.alpaca.keys import BROKER_KEY, BROKER_SECRET
from tests.simulators.support import Alpaca, Control

FORM = {"grant_type": "client_credentials", "client_id": BROKER_KEY, "client_secret": BROKER_SECRET}


def ask(control: Control, **changes: Any) -> Any:
    return control.call("POST", "/v1/oauth2/token", data=FORM | changes)


def test_a_token_opens_the_broker_api_for_fifteen_minutes(control: Control):
    answer = ask(control)
    assert answer.status_code == 200
    token = answer.json().pop("access_token")
    assert answer.json() == {"access_token": token, "expires_in": 899, "token_type": "Bearer"}
    headers = {"Authorization": f"Bearer {token}"}
    control.advance(899)
    assert control.call("GET", "/v1/accounts", headers=headers).status_code == 200
    control.advance(1)
    refused = control.call("GET", "/v1/accounts", headers=headers)
    assert (refused.status_code, refused.json()) == (401, {"message": "unauthorized."})


def test_it_does_not_open_the_trading_api(control: Control, alpaca: Alpaca):
    headers = {"Authorization": f"Bearer {ask(control).json()['access_token']}"}
    assert control.call("GET", "/v2/account", headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": "guessed"}, 401, "invalid_client"),
        ({"client_id": "somebody"}, 401, "invalid_client"),
        ({"client_secret": None}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
def test_what_is_wrong_has_a_word(control: Control, changes: dict[str, Any], status: int, error: str):
    answer = ask(control, **changes)
    assert (answer.status_code, answer.json()) == (status, {"error": error})


def test_the_secret_is_not_taken_from_a_header(control: Control):
    answer = control.call(
        "POST", "/v1/oauth2/token", data={"grant_type": "client_credentials"}, auth=(BROKER_KEY, BROKER_SECRET)
    )
    assert answer.json() == {"error": "invalid_client"}


def test_a_made_up_token_opens_nothing(control: Control):
    assert control.call("GET", "/v1/accounts", headers={"Authorization": "Bearer x"}).status_code == 401
