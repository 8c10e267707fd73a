"""The calls to brokers for orders that are committed as being sent; what each answer means, the recorder knows."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import groupby

from brokers.base import Broker
from services import failpoints
from services.execution.claims import Claim
from services.execution.recorder import Answer, Answered, record_until_done

logger = logging.getLogger(__name__)

_senders = ThreadPoolExecutor(max_workers=16, thread_name_prefix="sender")


def send_now(claims: Sequence[Claim], brokers: Mapping[int, Broker], worker: str) -> None:
    """Call the brokers for orders that are committed as being sent, all at the same moment, and record the answers."""
    record_until_done(call_brokers(claims, brokers), worker)


def call_brokers(claims: Sequence[Claim], brokers: Mapping[int, Broker]) -> list[Answered]:
    """Return what the brokers answer to orders that are committed as being sent, called all at the same moment."""
    return list(_answers(claims, brokers))


def call_broker(broker: Broker, claims: Sequence[Claim]) -> list[Answered]:
    """Return what a broker answers to orders of one call; one that must not be sent any more gets no answer."""
    if broker.capabilities.batch_size > 1:
        return list(_call_together(broker, claims))
    return [answered for claim in claims for answered in _call(broker, claim)]


def calls_of(broker: Broker, claims: Sequence[Claim]) -> list[Sequence[Claim]]:
    """Return orders of one account as the broker takes them: so many in each call."""
    size = broker.capabilities.batch_size
    return [claims[start : start + size] for start in range(0, len(claims), size)]


def _answers(claims: Sequence[Claim], brokers: Mapping[int, Broker]) -> Iterator[Answered]:
    """Yield what the brokers answer: those that take many orders in one call first, then the others as they come."""
    singles = []
    for account_id, group in groupby(
        sorted(claims, key=lambda claim: claim.account_id), lambda claim: claim.account_id
    ):
        broker, of_account = brokers[account_id], list(group)
        if broker.capabilities.batch_size > 1:
            for part in calls_of(broker, of_account):
                yield from _call_together(broker, part)
        else:
            singles += of_account
    if len(singles) == 1:
        yield from _call(brokers[singles[0].account_id], singles[0])
        return
    for call in as_completed([_senders.submit(_call, brokers[claim.account_id], claim) for claim in singles]):
        yield from call.result()


def _may_leave(claim: Claim) -> bool:
    """Return True while there is time for the call before the lease ends; asked right before it."""
    if not claim.is_fresh:
        logger.error("order %s: paused too long before sending; left for look-up", claim.request.client_order_id)
    return claim.is_fresh


def _call_together(broker: Broker, claims: Sequence[Claim]) -> Iterator[Answered]:
    part = [claim for claim in claims if _may_leave(claim)]
    if not part:
        return
    failpoints.reach("sending after commit")
    try:
        answers: Sequence[Answer] = broker.submit_orders([claim.request for claim in part])
    except Exception as e:  # which one it is decides what is recorded
        answers = [e] * len(part)
    yield from zip(part, answers, strict=True)


def _call(broker: Broker, claim: Claim) -> list[Answered]:
    if not _may_leave(claim):
        return []
    failpoints.reach("sending after commit")
    try:
        return [(claim, broker.submit_order(claim.request))]
    except Exception as e:  # which one it is decides what is recorded
        return [(claim, e)]
