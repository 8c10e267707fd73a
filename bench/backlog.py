"""Names in thousands, and signals that wait in thousands: stored in one commit, without the desk's services.

What waits is what the desk itself has made of one alert, with other names: each column is as intake stores it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice, product
from string import ascii_uppercase
from typing import Any, cast

import sqlalchemy as sa

from bench.sender import CREATED, WEBHOOK
from bench.support import Desk, Failure
from domain.enums import Activity
from extensions import announce, db, transaction, utc_now
from models import Instrument, Pair, Signal

HEDGE = "1.3"  # shares of leg 2 for one of leg 1
TABLE = cast(sa.Table, Signal.__table__)
ARRIVED = ("received_at", "last_seen_at")


@dataclass(frozen=True, slots=True)
class Name:
    """A stock, or a pair with its second leg."""

    symbol1: str
    symbol2: str | None = None

    @property
    def ticker(self) -> str:
        """Return what an alert calls it."""
        return f"NYSE:{self.symbol1}" + (f"-{HEDGE}*NYSE:{self.symbol2}" if self.symbol2 else "")


def symbols(first: str, count: int) -> list[str]:
    """Return so many symbols that begin with a letter: four letters, which every venue takes for a share's."""
    return [first + "".join(rest) for rest in islice(product(ascii_uppercase, repeat=3), count)]


def stock_names(count: int) -> list[Name]:
    """Return so many stocks."""
    return [Name(symbol) for symbol in symbols("S", count)]


def pair_names(count: int) -> list[Name]:
    """Return so many pairs of stocks that nothing else names."""
    return [Name(*legs) for legs in zip(symbols("P", count), symbols("Q", count), strict=True)]


def register(desk: Desk, names: Collection[Name], passive: Collection[str] = ()) -> None:
    """Make the names tradable, and passive stocks known, in one commit; before any process of the desk runs."""
    pairs = [name for name in names if name.symbol2]
    legs = [symbol for name in pairs for symbol in (name.symbol1, str(name.symbol2))]
    rows = [{"symbol": name.symbol1, "activity": Activity.ACTIVE} for name in names if not name.symbol2]
    rows += [{"symbol": symbol, "activity": Activity.PASSIVE} for symbol in (*legs, *passive)]
    with desk.app.app_context(), transaction() as session:
        session.execute(sa.insert(Instrument), rows)
        found = session.execute(sa.select(Instrument.symbol, Instrument.id))
        ids = {row.symbol: row.id for row in found}
        if pairs:
            session.execute(sa.insert(Pair), [_pair(name, ids) for name in pairs])


def _pair(name: Name, ids: Mapping[str, int]) -> dict[str, Any]:
    legs = {"leg1_id": ids[name.symbol1], "leg2_id": ids[str(name.symbol2)]}
    hedge = {"hedge_ratio": Decimal(HEDGE), "activity": Activity.ACTIVE}
    return {"name": f"{name.symbol1}-{name.symbol2}", **legs, **hedge}


@dataclass(frozen=True, slots=True)
class Stored:
    """Signals that were stored together, and when their commit began, seconds since 1970."""

    rowids: list[int]
    at: float


@dataclass(frozen=True, slots=True)
class Backlog:
    """One stored signal, and how to make many of it."""

    desk: Desk
    name: Name
    signal_id: str
    columns: Mapping[str, Any]

    @classmethod
    def after(cls, desk: Desk, name: Name) -> Backlog:
        """Send one alert on a name to the desk in this process, and keep what it stores. Its signal waits, too."""
        signal_id = f"example-{'pair' if name.symbol2 else 'stock'}"
        answer = desk.app.test_client().post(WEBHOOK, json=desk.alert(name.ticker, signal_id))
        if answer.status_code != CREATED:
            raise Failure(f"{desk.kind}: the alert on {name.ticker} was answered {answer.status_code}: {answer.text}")
        with desk.app.app_context():
            row = db.session.execute(sa.select(TABLE).where(TABLE.c.id == answer.get_json()["rowid"])).mappings().one()
        return cls(desk, name, signal_id, {name: row[name] for name in row if name not in ("id", *ARRIVED)})

    def store(self, names: Sequence[Name], label: str) -> Stored:
        """Store a waiting signal for each name in one commit, and wake the workers. A label serves once."""
        rows = [self.row(name, f"{label}-{number}") for number, name in enumerate(names)]
        statement = sa.insert(TABLE).values(dict.fromkeys(ARRIVED, utc_now()))
        stored = sa.select(TABLE.c.id).where(TABLE.c.dedupe_key.in_([row["dedupe_key"] for row in rows]))
        with self.desk.app.app_context(), transaction() as session:
            session.connection().execute(statement, rows)
            rowids = list(session.execute(stored).scalars())
            announce(session)
            at = time.time()
        return Stored(rowids, at)

    def row(self, name: Name, signal_id: str) -> dict[str, Any]:
        """Return the columns of an equal signal on another name, as an alert with that id would have made them."""
        others = [(self.signal_id, signal_id), (self.name.symbol1, name.symbol1)]
        if self.name.symbol2 and name.symbol2:
            others.append((self.name.symbol2, name.symbol2))
        alert = self.desk.alert(name.ticker, signal_id)  # each leads a step further, as a strategy that adds does
        positions = {
            "position_size": Decimal(alert["mar_pos_size"]),
            "previous_position": alert["pre_mar_pos"],
            "previous_position_size": Decimal(alert["pre_mar_pos_size"]),
        }
        return {column: _renamed(value, others) for column, value in self.columns.items()} | positions


def _renamed(value: Any, others: Sequence[tuple[str, str]]) -> Any:
    """Return a text, or the texts in lists and objects, with the one word for the other."""
    if isinstance(value, list | dict):
        return json.loads(_renamed(json.dumps(value), others))
    if isinstance(value, str):
        for old, new in others:
            value = value.replace(old, new)
    return value
