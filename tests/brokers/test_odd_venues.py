"""Venues that treat our ids in other ways keep the contract of all brokers too."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from brokers.base import Broker
from brokers.paper.venue import PaperVenue
from domain.messages import OrderRequest
from simulators.odd_venues import EchoingBroker, NamelessBroker
from tests.brokers.contract import BrokerContract
from tests.brokers.paper_support import ACCOUNT, make_settings
from tests.brokers.test_paper_contract import PaperBrokerVenue
from tests.support.brokers import find, ref

EVER = datetime(2000, 1, 1, tzinfo=UTC)


class OddVenue(PaperBrokerVenue):
    """The paper venue behind another adapter."""

    def __init__(self, url: str, kind: type[EchoingBroker | NamelessBroker]) -> None:
        super().__init__(url)
        self._kind = kind
        self.broker = kind(self.venue, ACCOUNT)

    def reconnect(self) -> Broker:
        self._others.append(PaperVenue(make_settings(self._url), clock=self.clock))
        return self._kind(self._others[-1], ACCOUNT)


class NamelessVenue(OddVenue):
    """One that tells no ids."""

    def told(self, request: OrderRequest) -> str:
        return ""


class TestEchoingBroker(BrokerContract):
    @pytest.fixture
    def broker_venue(self, paper_url: str) -> Iterator[OddVenue]:
        with closing(OddVenue(paper_url, EchoingBroker)) as venue:
            yield venue

    def test_it_takes_an_id_twice(self, broker_venue: OddVenue):
        request = broker_venue.make_request()
        first, second = broker_venue.trade(request), broker_venue.trade(request)
        assert first.client_order_id == second.client_order_id == request.client_order_id
        assert first.broker_order_id != second.broker_order_id
        assert [find(broker_venue.broker, report) for report in (first, second)] == [first, second]

    def test_what_it_does_not_show_is_not_proven_absent(self, broker_venue: OddVenue):
        assert not broker_venue.broker.find_order(ref(broker_venue.make_request())).is_proof


class TestNamelessBroker(BrokerContract):
    @pytest.fixture
    def broker_venue(self, paper_url: str) -> Iterator[OddVenue]:
        with closing(NamelessVenue(paper_url, NamelessBroker)) as venue:
            yield venue

    def test_it_shows_what_looks_like_an_order(self, broker_venue: OddVenue):
        sent = [broker_venue.make_request(quantity=Decimal(size)) for size in (10, 10, 11)]
        reports = [broker_venue.trade(request) for request in sent]
        found = broker_venue.broker.find_order(ref(sent[0]))
        assert (found.report, found.is_proof) == (None, False)
        assert set(found.candidates) == set(reports[:2])

    def test_an_order_of_yesterday_is_not_listed_though_it_works(self, broker_venue: OddVenue):
        broker_venue.will_leave_working()
        report = broker_venue.trade(broker_venue.make_request())
        broker_venue.pass_time(25 * 3600)
        assert broker_venue.broker.list_orders(EVER) == []
        assert find(broker_venue.broker, report) is None
        assert broker_venue.broker.cancel_order(ref(report)).broker_order_id == report.broker_order_id
