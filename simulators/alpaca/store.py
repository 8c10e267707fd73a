"""Keeping the state in a file, so that a desk and its venue stay in step over a restart."""

from __future__ import annotations

import json
import os
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from simulators.alpaca.account import Account, Order, Position
from simulators.alpaca.broker_api.customers import Customer
from simulators.alpaca.world import Options, World

Row = TypeVar("Row")


class BrokenState(Exception):
    """What was kept cannot be read."""

    def __init__(self, path: str, reason: Exception) -> None:
        super().__init__(
            f"cannot read the state in {path} ({type(reason).__name__}: {reason}); move it away to begin anew"
        )


def save(world: World) -> None:
    """Write the state, where a file was named for it."""
    world.dirty = False
    if world.options.state is None:
        return
    path = Path(world.options.state)
    state = {
        "clock": vars(world.clock),
        "quotes": {symbol: list(quote) for symbol, quote in world.market.quotes.items()},
        "rules": world.market.rules,
        "accounts": [_row(account) for account in world.everyone()],
        "customers": [_row(customer) for customer in world.customers],
        "customer_events": world.customer_events,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(state, file, default=_tagged)
    fresh.replace(path)


def load(options: Options) -> World:
    """Return the state that was kept, or that of a first start."""
    world = World(options)
    if options.state is None:
        return world
    try:
        state = json.loads(Path(options.state).read_text(), object_hook=_untagged)
    except FileNotFoundError:
        return world
    except (OSError, ValueError, ArithmeticError) as e:
        raise BrokenState(options.state, e) from e
    try:
        _restore(world, state)
    except (AttributeError, LookupError, TypeError, ValueError) as e:
        raise BrokenState(options.state, e) from e
    return world


def _restore(world: World, state: dict[str, Any]) -> None:
    for name, value in state["clock"].items():
        setattr(world.clock, name, value)
    world.market.quotes = {symbol: (bid, ask) for symbol, (bid, ask) in state["quotes"].items()}
    world.market.rules = state["rules"]
    world.accounts = {row["key"]: _account(row) for row in state["accounts"]}
    world.customers = [Customer(**row) for row in state["customers"]]
    world.customer_events = state["customer_events"]


def _row(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _account(row: dict[str, Any]) -> Account:
    account = Account(**row)
    account.orders = {number: Order(**order) for number, order in row["orders"].items()}
    account.positions = {symbol: Position(**position) for symbol, position in row["positions"].items()}
    return account


def _tagged(value: Any) -> Any:
    if isinstance(value, Decimal):
        return {"$decimal": str(value)}
    if isinstance(value, datetime):
        return {"$time": value.isoformat()}
    return _row(value)


def _untagged(value: dict[str, Any]) -> Any:
    if "$decimal" in value:
        return Decimal(value["$decimal"])
    return datetime.fromisoformat(value["$time"]) if "$time" in value else value
