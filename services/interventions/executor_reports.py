"""What an outside executor tells of the account that it trades: what is held there, and the account's money."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.enums import Route
from domain.errors import Conflict, NotFound
from domain.exact import plain_text
from extensions import announce, insert_or_update, transaction, utc_now
from models import AccountRecord, BrokerAccount, Instrument, Pair, ToldPosition
from services.catalog.ibkr_symbols import find_instrument

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionReport:
    """What the account holds of a symbol; quantity signed, cost of one share, None = not told."""

    symbol: str
    quantity: Decimal
    average_cost: Decimal | None
    unrealised: Decimal | None


def tell_position(report: PositionReport) -> Instrument:
    """Put on record what the account holds of a registered instrument, and return that; raises NotFound."""
    with transaction() as session:
        instrument = find_instrument(report.symbol)
        values = {
            "quantity": report.quantity,
            "average_cost": report.average_cost,
            "unrealised": report.unrealised,
            "told_at": utc_now(),
        }
        account_id = _account_of(session, instrument)
        row = insert_or_update(ToldPosition).values(account_id=account_id, symbol=instrument.symbol, **values)
        session.execute(row.on_conflict_do_update(index_elements=["account_id", "symbol"], set_=values))
        announce(session)
    logger.info("%s: its executor holds %s", instrument.symbol, plain_text(report.quantity))
    return instrument


def add_record(figures: Mapping[str, Decimal | None], at: datetime | None) -> AccountRecord:
    """Put the money of the account on record, as of now where no time is told."""
    with transaction() as session:
        record = AccountRecord(account_id=_external_accounts(session)[0], **figures)
        if at is not None:
            record.at = at
        session.add(record)
        session.flush()
        session.refresh(record)
    logger.info("account record %s added by its executor", record.id)
    return record


def change_record(rowid: int, figures: Mapping[str, Decimal | None], at: datetime | None) -> AccountRecord:
    """Set the figures that are told of a record; those left out stay as they are. Raises NotFound."""
    with transaction() as session:
        query = sa.select(AccountRecord).where(AccountRecord.id == rowid).with_for_update()
        record = session.execute(query).scalar_one_or_none()
        if record is None:
            raise NotFound("item not found.")
        for name, value in figures.items():
            setattr(record, name, value)
        record.at = at if at is not None else record.at
    logger.info("account record %s changed by its executor", rowid)
    return record


def _account_of(session: Session, instrument: Instrument) -> int:
    """Return the outside account that trades an instrument: singly, or as a leg of a pair, else the first there is."""
    external = _external_accounts(session)
    legs = (Pair.leg1_id == instrument.id) | (Pair.leg2_id == instrument.id)
    of_pairs = session.execute(sa.select(Pair.account_id).where(legs).order_by(Pair.id)).scalars()
    default = session.execute(sa.select(BrokerAccount.id).where(BrokerAccount.is_default)).scalar_one()
    wanted = (account_id or default for account_id in (instrument.account_id, *of_pairs))
    return next((account_id for account_id in wanted if account_id in external), external[0])


def _external_accounts(session: Session) -> list[int]:
    query = sa.select(BrokerAccount.id).where(BrokerAccount.route == Route.EXTERNAL)
    found = list(session.execute(query.order_by(BrokerAccount.is_default.desc(), BrokerAccount.id)).scalars())
    if not found:
        raise Conflict("This desk has no account that an outside executor trades.")
    return found
