"""Accounts that the desk cannot reach while orders of theirs are open, or their pairs out of balance."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection

import sqlalchemy as sa

from extensions import reading
from models import BrokerAccount, Order, Signal
from models.order import OPEN
from models.signal import UNBALANCED

logger = logging.getLogger(__name__)

PATIENCE = 30.0  # seconds that a connection may take, at the start or after other keys, before anybody is alarmed


class UnreachableAccounts:
    """Sounds the alarm, once for each time that an account is left alone with something unsettled."""

    def __init__(self) -> None:
        self._since: dict[int, float] = {}
        self._told: set[int] = set()

    def look(self, away: Collection[int]) -> None:
        """Look at the accounts that are not in step with their broker now, or whose broker cannot be read."""
        now = time.monotonic()
        self._since = {number: self._since.get(number, now) for number in away}
        self._told &= self._since.keys()
        long = {number for number, since in self._since.items() if now - since >= PATIENCE} - self._told
        if not long:
            return
        for name, number, orders, pairs in _unsettled(long):
            if orders or pairs:
                self._told.add(number)
                logger.critical(
                    "account %s (%s) cannot be reached: %d orders are open there, %d pairs out of balance; "
                    "look at the broker",
                    number,
                    name,
                    orders,
                    pairs,
                )


def _unsettled(accounts: Collection[int]) -> list[tuple[str, int, int, int]]:
    orders = sa.select(sa.func.count()).where(OPEN, Order.account_id == BrokerAccount.id).scalar_subquery()
    pairs = sa.select(sa.func.count()).where(UNBALANCED, Signal.account_id == BrokerAccount.id).scalar_subquery()
    query = sa.select(BrokerAccount.name, BrokerAccount.id, orders, pairs).where(BrokerAccount.id.in_(accounts))
    with reading() as session:
        return [(name, number, working, loose) for name, number, working, loose in session.execute(query)]
