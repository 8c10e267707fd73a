"""An account's executions and fees, as its activities show them: some late, and with the gaps of Alpaca's pages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from simulators.alpaca.account import Account

LISTED_AT = "listed_at"  # of a row that shows late; nobody outside sees it


def listed(account: Account, now: datetime) -> list[dict[str, Any]]:
    """Return the rows that show by now, without what is the simulator's own."""
    rows = [row for row in account.activities if row.get(LISTED_AT) is None or row[LISTED_AT] <= now]
    return [{name: value for name, value in row.items() if name != LISTED_AT} for row in rows]


def after_token(rows: Sequence[dict[str, Any]], token: str | None, *, newest_first: bool) -> list[dict[str, Any]]:
    """Return rows in the order of pages, from the one after a token on.

    Rows are sorted by their millisecond, those of one in any order: here as they were booked. A token is compared as
    a whole. So rows of the millisecond in which a page ends may be on no page at all, as users report:
    https://github.com/alpacahq/Alpaca-API/issues/170 and 176.
    """
    found = sorted(rows, key=lambda row: _millisecond(row["id"]), reverse=newest_first)
    if not token:
        return found
    return [row for row in found if (row["id"] < token if newest_first else row["id"] > token)]


def _millisecond(name: str) -> str:
    return name.partition("::")[0]
