"""Two venues that treat our ids as some real ones do, to rehearse what follows; each is the paper venue in disguise.

`NamelessBroker` never tells our id and lists the last 24 hours only, as brokerages behind an aggregator do.
`EchoingBroker` tells our id with each order, and takes a second order of the same id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from brokers.base import OrderAnswer
from brokers.errors import OrderRejected
from brokers.paper.broker import PaperBroker
from domain.messages import Found, OrderRef, OrderReport, OrderRequest
from domain.venue.capabilities import Identity

EVER = datetime(2000, 1, 1, tzinfo=UTC)
SHOWN = timedelta(hours=24)
AGAIN = "~"  # parts our id and which order of this id it is, in the book of the venue


class _Disguised(PaperBroker):
    """The paper venue, which takes every order anew, whatever its id."""

    def submit_order(self, request: OrderRequest) -> OrderReport:
        return self._shown(super().submit_order(self._anew(request, 0)))

    def submit_orders(self, requests: Sequence[OrderRequest]) -> Sequence[OrderAnswer]:
        names = [request.client_order_id for request in requests]
        anew = [self._anew(request, names[:place].count(names[place])) for place, request in enumerate(requests)]
        answers = super().submit_orders(anew)
        return [self._shown(answer) if isinstance(answer, OrderReport) else answer for answer in answers]

    def cancel_order(self, order: OrderRef) -> OrderReport:
        (there, *_) = [*self._like(order), None]
        if there is None:
            raise OrderRejected("no such order")
        return self._shown(self._venue.cancel(self._account, there.client_order_id))

    def list_orders(self, since: datetime) -> Sequence[OrderReport]:
        return [self._shown(report) for report in super().list_orders(since)]

    def _like(self, order: OrderRef) -> list[OrderReport]:
        """Return the orders in the venue's book that may be the one asked for."""
        raise NotImplementedError

    def _shown(self, report: OrderReport) -> OrderReport:
        """Return a report as the venue tells it."""
        raise NotImplementedError

    def _anew(self, request: OrderRequest, before: int) -> OrderRequest:
        """Return the request under an id that the venue's book does not have yet."""
        name, number = request.client_order_id, before
        while self._venue.find(self._account, _numbered(name, number)) is not None:
            number += 1
        return replace(request, client_order_id=_numbered(name, number))

    def _book(self) -> list[OrderReport]:
        return list(self._venue.list(self._account, EVER))


class EchoingBroker(_Disguised):
    """A venue that tells our id with each order and takes repeats, so that no absence allows a second try."""

    name = "echoing"
    capabilities = replace(PaperBroker.capabilities, identity=Identity.ECHOED, attached_pair_hedge=False)

    def find_order(self, order: OrderRef) -> Found:
        """Look an order up in the list of all that there are."""
        found = self._like(order)
        return Found(report=self._shown(found[0]) if found else None, is_proof=bool(order.broker_order_id))

    def _like(self, order: OrderRef) -> list[OrderReport]:
        if order.broker_order_id:
            return [report for report in self._book() if report.broker_order_id == order.broker_order_id]
        return [report for report in self._book() if _echoed(report) == order.client_order_id]

    def _shown(self, report: OrderReport) -> OrderReport:
        return replace(report, client_order_id=_echoed(report))


class NamelessBroker(_Disguised):
    """A venue that never tells our id; what is older than a day it does not list, though it may still work."""

    name = "nameless"
    capabilities = replace(PaperBroker.capabilities, identity=Identity.LIKENESS, attached_pair_hedge=False)

    def find_order(self, order: OrderRef) -> Found:
        """Look an order up by the venue's id where that is known, else by what it looks like."""
        found = [self._shown(report) for report in self._like(order) if self._is_listed(report)]
        if order.broker_order_id:
            return Found(report=found[0] if found else None)
        return Found(candidates=tuple(found))

    def list_orders(self, since: datetime) -> Sequence[OrderReport]:
        """Return what has changed since then and in the last 24 hours."""
        return [report for report in super().list_orders(since) if self._is_listed(report)]

    def _is_listed(self, report: OrderReport) -> bool:
        return report.at >= self._venue.now() - SHOWN

    def _like(self, order: OrderRef) -> list[OrderReport]:
        if order.broker_order_id:
            return [report for report in self._book() if report.broker_order_id == order.broker_order_id]
        terms = (order.symbol, order.side, order.quantity)
        return [report for report in self._book() if (report.symbol, report.side, report.quantity) == terms]

    def _shown(self, report: OrderReport) -> OrderReport:
        return replace(report, client_order_id="")


def _numbered(client_order_id: str, number: int) -> str:
    return f"{client_order_id}{AGAIN}{number}" if number else client_order_id


def _echoed(report: OrderReport) -> str:
    return report.client_order_id.partition(AGAIN)[0]
