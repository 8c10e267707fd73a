"""The files that settings come from: `.env`, and the keys that an installation has made for itself."""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path

from dotenv import dotenv_values

from config_values import ConfigError

SECRETS_FILE = "secrets.env"
KEYS = ("SECRET_KEY", "JWT_SECRET_KEY", "CREDENTIALS_KEY")


def read_file(path: Path) -> dict[str, str]:
    """Return the names and texts of a file, none where there is no file; raises ConfigError when it is not readable."""
    try:
        return {k: v for k, v in dotenv_values(path, interpolate=False).items() if v} if path.is_file() else {}
    except OSError as e:
        raise ConfigError(f"{path}: cannot be read ({e.strerror})") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: must be text in UTF-8") from None


def kept_keys(instance: Path) -> dict[str, str]:
    """Return the signing keys of this installation; each made once, readable by the owner only."""
    path = instance / SECRETS_FILE
    kept = read_file(path)
    if all(name in kept for name in KEYS):
        return kept
    try:
        instance.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = os.open(instance, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)  # of two first starts the second finds what the first has made
            return _make_missing(path)
        finally:
            os.close(folder)
    except OSError as e:
        raise ConfigError(f"INSTANCE_DIR: {instance} cannot be written ({e.strerror})") from None


def _make_missing(path: Path) -> dict[str, str]:
    kept = read_file(path)
    keys = {**kept, **{name: secrets.token_urlsafe(48) for name in KEYS if name not in kept}}
    if keys != kept:
        fresh = path.with_name(f".{path.name}.new")
        fresh.unlink(missing_ok=True)
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write("".join(f"{name}={value}\n" for name, value in keys.items()))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    return keys
