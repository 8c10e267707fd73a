"""Several orders for a broker that takes single ones."""

import logging
from collections.abc import Sequence

from brokers.base import Broker, OrderAnswer
from brokers.errors import BrokerError, OutcomeUnknown
from domain.messages import OrderRequest

logger = logging.getLogger(__name__)


def submit_one_by_one(broker: Broker, requests: Sequence[OrderRequest]) -> Sequence[OrderAnswer]:
    """Send orders one after the other, and return one answer for each: its report, or the error that it raised.

    An error that the adapter did not foresee is an unknown outcome: the order may have arrived.
    """
    return [_submit(broker, request) for request in requests]


def _submit(broker: Broker, request: OrderRequest) -> OrderAnswer:
    try:
        return broker.submit_order(request)
    except BrokerError as e:
        return e
    except Exception as e:  # the others are sent all the same
        logger.exception("order %s: unexpected while sending", request.client_order_id)
        unknown = OutcomeUnknown(f"unexpected while sending: {type(e).__name__}: {e}")
        unknown.__cause__ = e
        return unknown
