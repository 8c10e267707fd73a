"""What the commands share: who types them, and how a refusal is told."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from typing import TypeVar

import click

from config import ConfigError
from domain.errors import TradingError

T = TypeVar("T")


def actor() -> str:
    """Return who does something, as it goes on record."""
    return f"shell user {getpass.getuser()}"


def run(action: Callable[[], T]) -> T:
    """Do it, or say in one line why not."""
    try:
        return action()
    except (TradingError, ConfigError) as e:
        raise click.ClickException(str(e)) from None
