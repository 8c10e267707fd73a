"""Learning what became of accounts at the brokerage: of lost answers, and of statuses that change by themselves."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from brokers.errors import AccessRefused, AccountUnreadable, BrokerUnavailable
from domain.account_opening.status import ACTIVE, BrokerageReport, OwnStatus, is_ours, pause
from extensions import database_time, reading, transaction, utc_now
from models import BrokerageAccount
from services.account_opening import account_rows, brokerage

if TYPE_CHECKING:
    from brokers.alpaca.accounts import BrokerageClient


NOT_SHOWN = "Alpaca does not show this account to the desk."


class _InHand(NamedTuple):
    """An account that one worker asks about; the others pass it over until its next time has come."""

    row_id: int
    alpaca_id: str | None
    email: str
    asked_at: datetime
    sent_at: datetime
    taken_at: datetime


def follow_next() -> bool:
    """Look at the next account whose time has come; False when there is none.

    Raises NotConfigured, or BrokerUnavailable when Alpaca cannot be asked; then that account's turn comes again.
    """
    alpaca = brokerage.connected()
    account = _take(brokerage.environment())
    if account is None:
        return False
    try:
        if account.alpaca_id is None:
            _look_up(account, alpaca)
        else:
            account_rows.store(account.row_id, _read(account, account.alpaca_id, alpaca), account.taken_at)
    except AccountUnreadable as e:
        account_rows.note_unreadable(account.row_id, str(e))
    return True


def _take(where: str) -> _InHand | None:
    B = BrokerageAccount
    due = (B.environment == where, B.status != OwnStatus.NOT_OPENED)
    with reading() as session:  # most of the time there is none, and then nothing need be locked
        if session.execute(sa.select(B.id).where(*due, B.next_at <= utc_now()).limit(1)).first() is None:
            return None
    with transaction() as session:
        now = database_time()
        query = sa.select(B).where(*due, B.next_at <= now).order_by(B.next_at, B.id).limit(1)
        row = session.execute(query.with_for_update(skip_locked=True)).scalar_one_or_none()
        if row is None:
            return None
        row.next_at = now + pause(row.status, now - row.requested_at, row.lookups + 1)
        return _InHand(row.id, row.alpaca_id, row.email, row.requested_at, row.sent_at or row.requested_at, now)


def _look_up(account: _InHand, alpaca: BrokerageClient) -> None:
    """Find out whether an application whose answer is lost has arrived."""
    found = alpaca.find_by_email(account.email)
    if found is None:
        account_rows.note_absence(account.row_id, account.sent_at)
    elif not (
        is_ours(found, account.asked_at, account.sent_at)
        and account_rows.store(account.row_id, found, account.taken_at)
    ):
        account_rows.note_stranger(account.row_id, account.sent_at)


def _read(account: _InHand, alpaca_id: str, alpaca: BrokerageClient) -> BrokerageReport:
    try:
        report = alpaca.get(alpaca_id)
    except AccessRefused:
        # Of the key, or of this one account? What is asked for without its id is refused for the key alone.
        listed = alpaca.find_by_email(account.email)
        if listed is None or listed.alpaca_id != alpaca_id:
            raise AccountUnreadable(NOT_SHOWN) from None
        report = listed
    if report.status == ACTIVE:
        with contextlib.suppress(BrokerUnavailable):  # the equity comes with the next look then
            report = replace(report, equity=alpaca.equity(alpaca_id))
    return report
