"""Keys of broker accounts, encrypted at rest with the desk's own key.

Fernet tokens (AES-128-CBC with HMAC-SHA256, https://github.com/fernet/spec). The number of the account stands
inside the encrypted text, so that a token copied to another row opens nothing.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PURPOSE = b"pairs-api broker credentials"


class CredentialsUnreadable(Exception):
    """Stored keys cannot be opened: CREDENTIALS_KEY is another one, or the row was tampered with."""


def seal(secret: str, account_id: int, credentials: Mapping[str, str]) -> str:
    """Return the credentials of an account as encrypted text; `secret` is the setting CREDENTIALS_KEY."""
    text = json.dumps({"account": account_id, "credentials": dict(credentials)})
    return _fernet(secret).encrypt(text.encode()).decode()


def unseal(secret: str, account_id: int, token: str) -> dict[str, str]:
    """Return the credentials of an account; raises CredentialsUnreadable."""
    try:
        content = json.loads(_fernet(secret).decrypt(token.encode()))
    except InvalidToken:
        raise CredentialsUnreadable(
            "its keys cannot be decrypted: CREDENTIALS_KEY is another one than when they were set"
        ) from None
    if content["account"] != account_id:
        raise CredentialsUnreadable("its keys belong to another account")
    return {str(name): str(value) for name, value in content["credentials"].items()}


def reseal(secret: str, token: str) -> str:
    """Return the same content encrypted with the first of the keys in `secret`; raises CredentialsUnreadable."""
    try:
        return _fernet(secret).rotate(token.encode()).decode()
    except InvalidToken:
        raise CredentialsUnreadable(
            "its keys cannot be decrypted: CREDENTIALS_KEY lacks the one they were encrypted with"
        ) from None


def _fernet(secret: str) -> MultiFernet:
    return MultiFernet([Fernet(_derive(part.strip())) for part in secret.split(",")])


def _derive(text: str) -> bytes:
    # The setting is long random text already (RFC 5869 needs no salt then); Fernet wants exactly 32 bytes.
    key = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=PURPOSE).derive(text.encode())
    return base64.urlsafe_b64encode(key)
