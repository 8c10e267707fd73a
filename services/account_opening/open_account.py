"""Opening an account at the brokerage exactly once, whatever gets lost on the way.

The e-mail is reserved as a row before Alpaca is asked, and Alpaca is asked once, with no transaction open. When its
answer is lost, or the process dies before it is stored, the row stays OPENING: the follower, or the owner who
signs up again, looks the e-mail up and takes over the account that is found there, if it is no older than the row.
"""

from __future__ import annotations

import logging
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from brokers.errors import AccessRefused, BrokerError, BrokerUnavailable, EmailTaken, FormRefused, OutcomeUnknown
from domain.account_opening.status import LOOK_AFTER, Application, BrokerageReport, OwnStatus, is_ours
from domain.errors import AlreadyExists, BrokerAway, InvalidInput
from extensions import database_time, transaction
from models import BrokerageAccount
from services.account_opening import account_rows, brokerage
from services.account_opening.complete_application import complete
from services.identity import throttle
from services.identity.users import check_new_password

if TYPE_CHECKING:
    from brokers.alpaca.accounts import BrokerageClient

logger = logging.getLogger(__name__)

LATEST_CALL = 12.0  # seconds after a sign-up began; with what one call may take it holds its web thread so much longer
NOT_KNOWN = (
    "What became of the application is not known yet. The desk goes on looking; signing up again is safe and opens "
    "no second account."
)


class EmailRegistered(AlreadyExists):
    """The e-mail has an account, or an attempt at one; `account_id` is its row, for its owner only."""

    def __init__(self, account_id: int | None) -> None:
        super().__init__("Email already registered")
        self.account_id = account_id


class SignedUp(NamedTuple):
    """The row of a new account, and the parts of its application that were made up."""

    account_id: int
    generated: list[str]


class _InTime:
    """Alpaca as one sign-up asks it: later than LATEST_CALL nothing is sent any more, and BrokerUnavailable raised."""

    def __init__(self, alpaca: BrokerageClient, began_at: float) -> None:
        self._alpaca, self._latest = alpaca, began_at + LATEST_CALL

    def open_account(self, application: Application) -> BrokerageReport:
        self._check()
        return self._alpaca.open_account(application)

    def find_by_email(self, email: str) -> BrokerageReport | None:
        self._check()
        return self._alpaca.find_by_email(email)

    def _check(self) -> None:
        if monotonic() > self._latest:
            raise BrokerUnavailable("no time was left to wait for its answer")


class _Attempt(NamedTuple):
    """A reserved e-mail: asked for first at `asked_at`, sent last at `sent_at`.

    `sent_before` is when an application was sent earlier that may have arrived, None at the first try.
    """

    row_id: int
    asked_at: datetime
    sent_at: datetime
    sent_before: datetime | None


def sign_up(owner_id: int, application: Application, password: str | None) -> SignedUp:
    """Open an account for a user; the password is only looked at, as clients send one.

    Raises InvalidInput, EmailRegistered, TooMany, NotConfigured, or BrokerAway when Alpaca cannot be asked or what it
    did is not known yet.
    """
    began_at = monotonic()
    alpaca = _InTime(brokerage.connected(), began_at)
    if password is not None:
        check_new_password(password)
    where = brokerage.environment()
    application, generated = complete(application, live=where == "live")
    throttle.take_one(throttle.SIGN_UPS_PER_USER, f"sign-up:{owner_id}")
    attempt = _reserve(owner_id, application, where)
    if attempt.sent_before is not None:
        attempt = _settle_first(attempt, application, alpaca)
    _store(attempt, _open(attempt, application, alpaca))
    return SignedUp(attempt.row_id, generated)


def _reserve(owner_id: int, application: Application, where: str) -> _Attempt:
    B = BrokerageAccount
    query = sa.select(B).where(B.environment == where, B.email == application.email).with_for_update()
    try:
        with transaction() as session:
            row, now = session.execute(query).scalar_one_or_none(), database_time()
            if row is not None and row.owner_id != owner_id and _came_to_nothing(row):
                session.delete(row)  # so the e-mail is free for others
                session.flush()
                row = None
            if row is not None and row.owner_id != owner_id:
                raise EmailRegistered(None)
            if row is not None and row.alpaca_id is not None:
                raise EmailRegistered(row.id)
            if row is not None:
                sent_at = row.sent_at or row.requested_at
                return _Attempt(row.id, row.requested_at, sent_at, sent_before=sent_at)
            row = BrokerageAccount(
                owner_id=owner_id,
                environment=where,
                name=application.name,
                email=application.email,
                status=OwnStatus.OPENING,
                requested_at=now,
                status_at=now,
                sent_at=now,
                next_at=now + LOOK_AFTER,
            )
            session.add(row)
            session.flush()
            return _Attempt(row.id, now, now, sent_before=None)
    except IntegrityError:  # another request was faster
        raise EmailRegistered(None) from None


def _came_to_nothing(row: BrokerageAccount) -> bool:
    return row.status == OwnStatus.NOT_OPENED and row.alpaca_id is None


def _settle_first(attempt: _Attempt, application: Application, alpaca: _InTime) -> _Attempt:
    """Find out what became of an earlier try; returns when this process may send a new one."""
    try:
        found = alpaca.find_by_email(application.email)
    except BrokerUnavailable as e:
        raise _away(e) from None
    if found is not None:
        _take_over(attempt, found)
    sent_at = account_rows.take_turn(attempt.row_id, application.name, attempt.sent_at)
    if sent_at is None:
        raise EmailRegistered(attempt.row_id)
    return attempt._replace(sent_at=sent_at)


def _open(attempt: _Attempt, application: Application, alpaca: _InTime) -> BrokerageReport:
    """Send the application to Alpaca, once; undo what was reserved where Alpaca surely opened nothing."""
    try:
        return alpaca.open_account(application)
    except EmailTaken as e:
        if attempt.sent_before is None:  # an account that was there before us is never ours
            _take_back(attempt, e)
            raise EmailRegistered(None) from None
        _take_over(attempt, _look(attempt, application, alpaca))
    except FormRefused as e:
        _take_back(attempt, e)
        raise InvalidInput({e.field: str(e)}) from None
    except AccessRefused as e:
        logger.critical("%s; no brokerage account can be opened until APCA_BROKER_API_KEY is set right", e)
        _take_back(attempt, e)
        raise BrokerAway("Alpaca does not accept this desk's key; nothing was opened.") from None
    except BrokerUnavailable as e:
        _take_back(attempt, e)
        raise _away(e) from None
    except OutcomeUnknown as e:
        logger.warning("brokerage account %s: %s", attempt.row_id, e)
        return _look(attempt, application, alpaca)


def _look(attempt: _Attempt, application: Application, alpaca: _InTime) -> BrokerageReport:
    """Return the account that came of this row; raises BrokerAway when it cannot be seen yet."""
    try:
        found = alpaca.find_by_email(application.email)
    except BrokerUnavailable:
        found = None
    if found is None:
        raise BrokerAway(NOT_KNOWN)
    if not is_ours(found, attempt.asked_at, attempt.sent_at):
        _refuse_stranger(attempt)
    return found


def _take_over(attempt: _Attempt, found: BrokerageReport) -> NoReturn:
    """Give the row the account that came of an earlier try, and say that it is there."""
    if not is_ours(found, attempt.asked_at, attempt.sent_at):
        _refuse_stranger(attempt)
    _store(attempt, found)
    logger.info("brokerage account %s: found at Alpaca", attempt.row_id)
    raise EmailRegistered(attempt.row_id)


def _refuse_stranger(attempt: _Attempt) -> NoReturn:
    account_rows.note_stranger(attempt.row_id, attempt.sent_at)
    raise EmailRegistered(None)


def _store(attempt: _Attempt, report: BrokerageReport) -> None:
    try:
        stored = account_rows.store(attempt.row_id, report, attempt.sent_at)
    except SQLAlchemyError as e:
        logger.error("brokerage account %s: cannot be stored now: %s", attempt.row_id, getattr(e, "orig", e))
        raise BrokerAway(NOT_KNOWN) from None
    if not stored:
        _refuse_stranger(attempt)


def _take_back(attempt: _Attempt, error: BrokerError) -> None:
    """Undo what was reserved; raises EmailRegistered when a later attempt of the owner has taken the row over."""
    if not account_rows.take_back(attempt.row_id, attempt.sent_at, attempt.sent_before, str(error)):
        raise EmailRegistered(attempt.row_id) from None


def _away(error: BrokerUnavailable) -> BrokerAway:
    return BrokerAway(f"Alpaca cannot be asked now, and nothing was sent; try again later ({error}).")
