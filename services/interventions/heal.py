"""A person's answer to a drifted hedge: the proposed order, sent through the same pipeline as every alert."""

from __future__ import annotations

import logging

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.enums import Source
from domain.errors import Conflict, NotFound
from domain.order_status import SignalStatus
from extensions import transaction
from models import BrokerAccount, Signal
from services import journal
from services.intake.desk_signals import InternalSignal, add_signal
from services.reports import drift

logger = logging.getLogger(__name__)


def heal(pair: str, account: str, state: str, actor: str, reason: str) -> int:
    """Send the healing order that was proposed for a pair in `state`; returns the rowid of its signal.

    A second click on the same state finds the first one's signal. Raises NotFound when the pair holds
    nothing, Conflict when the state has changed since, or nothing is proposed.
    """
    with transaction() as session:
        account_id = session.execute(sa.select(BrokerAccount.id).where(BrokerAccount.name == account)).scalar()
        found = next((row for row in drift.look(pair) if row.account_id == account_id), None)
        if found is None:
            raise NotFound("item not found.")
        if found.state != state:
            raise Conflict(f"The pair {pair} has changed since this was proposed; look at it again.")
        proposal = found.drift.proposal
        if proposal is None:
            raise Conflict(f"Nothing is proposed for {pair}: {found.drift.note or 'its legs are in balance'}.")
        key = _key(session, state)
        text = f"{proposal.side} {proposal.quantity:f} {proposal.symbol}"
        rowid, is_new = add_signal(
            session,
            InternalSignal(
                source=Source.HEAL,
                key=key,
                account_id=found.account_id,
                name=pair,
                symbols=(proposal.symbol,),
                side=proposal.side,
                quantity=proposal.quantity,
                comment=f"healing by {actor}",
            ),
        )
        if is_new:
            journal.record(session, actor, "heal", f"pair {pair}", f"{text}, signal {rowid}: {reason}")
    return rowid


def _key(session: Session, state: str) -> str:
    """Return under which key a state is healed: a new one only when the last try came to nothing."""
    key = f"heal:{state}:"
    tries = (
        session.execute(
            sa.select(Signal.status)
            .where(Signal.source == Source.HEAL, Signal.dedupe_key.startswith(key, autoescape=True))
            .order_by(Signal.id)
        )
        .scalars()
        .all()
    )
    failed = not tries or tries[-1] in (SignalStatus.CANCELED, SignalStatus.ERROR)
    return f"{key}{len(tries) + failed}"
