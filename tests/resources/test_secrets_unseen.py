"""What comes in as a secret is shown by no form, and the values of a statement by no error."""

import pytest
import sqlalchemy as sa

from extensions import transaction
from models import BrokerageAccount
from resources.schemas.alerts import AlertIn
from resources.schemas.broker_accounts import BrokerAccountIn, KeysIn
from resources.schemas.brokerage import SignUpIn
from resources.schemas.users import LoginIn, UserIn

KEYS = {"key_id": "s3cret-key-id", "secret_key": "s3cret-of-the-account"}


@pytest.mark.parametrize(
    ("form", "body"),
    [
        (
            SignUpIn,
            {
                "name": "Ada",
                "email": "a@b.de",
                "password": "s3cret-password",
                "identity": {"tax_id": "s3cret-tax-id", "given_name": "Ada"},
            },
        ),
        (KeysIn, KEYS),
        (BrokerAccountIn, {"name": "ada", **KEYS}),
        (UserIn, {"username": "ada", "password": "s3cret-password"}),
        (LoginIn, {"username": "ada", "password": "s3cret-password"}),
        (
            AlertIn,
            {
                "passphrase": "s3cret-passphrase",
                "ticker": "AAPL",
                "order_action": "buy",
                "order_contracts": "1",
                "order_price": "1",
                "mar_pos": "long",
                "mar_pos_size": "1",
                "pre_mar_pos": "flat",
                "pre_mar_pos_size": "0",
            },
        ),
    ],
)
def test_no_form_shows_a_secret(form, body):
    made = form.model_validate(body)
    assert "s3cret" not in repr(made) + str(made)


def test_no_error_of_the_database_shows_values(context):
    twice = {"environment": "sandbox", "name": "Ada", "email": "s3cret@example.com", "status": "OPENING"}
    with pytest.raises(sa.exc.IntegrityError) as caught, transaction() as session:
        session.add_all([BrokerageAccount(**twice), BrokerageAccount(**twice)])
    text = str(caught.value).partition("[SQL")[2]
    assert "parameters hidden" in text
    assert "s3cret" not in text
