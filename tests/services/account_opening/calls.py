"""Calls of /v3/accounts."""

from collections.abc import Mapping
from typing import Any

from flask.testing import FlaskClient

BODY = {"name": "Ada Lovelace", "email": "Ada@example.com", "password": "the password of ada"}
SIGN_UP = "/v3/accounts/signup"
LIST = "/v3/accounts"


def sign_up(client: FlaskClient, headers: Mapping[str, str], **more: Any) -> Any:
    """Ask for an account."""
    return client.post(SIGN_UP, json={**BODY, **more}, headers=headers)
