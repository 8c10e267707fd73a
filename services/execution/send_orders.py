"""The calls to brokers for orders that are committed as being sent; what each answer means, the recorder knows."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from brokers.base import Broker
from services import failpoints
from services.execution.claims import Claim
from services.execution.recorder import Answer, record_until_done

logger = logging.getLogger(__name__)

_senders = ThreadPoolExecutor(max_workers=16, thread_name_prefix="sender")


def send_now(claims: Sequence[Claim], brokers: Mapping[int, Broker], worker: str) -> None:
    """Call the brokers for orders that are committed as being sent, all at the same moment, and record the answers."""
    fresh = [claim for claim in claims if claim.is_fresh]
    for claim in claims:
        if not claim.is_fresh:
            logger.error("order %s: paused too long before sending; left for look-up", claim.request.client_order_id)
    record_until_done(list(_answers(fresh, brokers)), worker)


def _answers(claims: Sequence[Claim], brokers: Mapping[int, Broker]) -> Iterator[tuple[Claim, Answer]]:
    if len(claims) == 1:
        yield claims[0], _call(brokers[claims[0].account_id], claims[0])
        return
    calls = {_senders.submit(_call, brokers[claim.account_id], claim): claim for claim in claims}
    for call in as_completed(calls):
        yield calls[call], call.result()


def _call(broker: Broker, claim: Claim) -> Answer:
    failpoints.reach("sending after commit")
    try:
        return broker.submit_order(claim.request)
    except Exception as e:  # which one it is decides what is recorded
        return e
