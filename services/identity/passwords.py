"""Password hashes: Argon2id with the parameters of the OWASP password storage cheat sheet (19 MiB, 2, 1)."""

from __future__ import annotations

import secrets
import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

HASHER = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
_room = threading.BoundedSemaphore(2)  # each hash takes 19 MiB and a core; log-ins must not starve the alerts
_decoy: list[str] = []


def hash_password(password: str) -> str:
    """Return the hash to store."""
    with _room:
        return HASHER.hash(password)


def verify_password(stored: str | None, password: str) -> bool:
    """Return True if the password is right; `None` (no such user) takes the same time and is False."""
    if stored is None:
        if not _decoy:
            _decoy.append(hash_password(secrets.token_urlsafe(16)))
        stored, known = _decoy[0], False
    else:
        known = True
    with _room:
        try:
            HASHER.verify(stored, password)
        except (VerifyMismatchError, VerificationError, InvalidHashError):
            return False
    return known


def needs_rehash(stored: str) -> bool:
    """Return True if the hash was made with older parameters."""
    return HASHER.check_needs_rehash(stored)
