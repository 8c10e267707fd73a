"""What Alpaca's refusals of an application may say to the applicant."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from brokers.alpaca.accounts import BrokerageClient
from brokers.alpaca.settings import BrokerageSettings
from brokers.errors import BrokerError, FormRefused
from tests.brokers.alpaca_peers import Answers
from tests.services.account_opening.desk import TAX_ID, application

KEY, SECRET = "CK-of-the-desk", "secret-of-the-desk"


@pytest.fixture
def answers() -> Iterator[Answers]:
    with closing(Answers()) as server:
        yield server


@pytest.fixture
def client(answers: Answers) -> Iterator[BrokerageClient]:
    settings = BrokerageSettings(environment="simulator", key_id=KEY, secret_key=SECRET, simulator_url=answers.url)
    with closing(BrokerageClient(settings)) as client:
        yield client


@pytest.mark.parametrize("status", [400, 422])
def test_a_tax_id_in_escapes_is_blotted_out(client: BrokerageClient, answers: Answers, status: int) -> None:
    escaped = TAX_ID.replace("-", r"\u002d")
    assert escaped != TAX_ID
    answers.give(status, f'{{"code": 40010000, "message": "identity.tax_id {escaped} is invalid"}}'.encode())
    with pytest.raises(FormRefused) as caught:
        client.open_account(application())
    assert str(caught.value) == "identity.tax_id *** is invalid"
    assert caught.value.field == "identity.tax_id"


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_key_in_escapes_is_blotted_out(client: BrokerageClient, answers: Answers, status: int) -> None:
    escaped = KEY.replace("-", r"\u002d")
    answers.give(status, f'{{"message": "{escaped} is not welcome"}}'.encode())
    with pytest.raises(BrokerError) as caught:
        client.open_account(application())
    assert KEY not in str(caught.value)
    assert "*** is not welcome" in str(caught.value)
