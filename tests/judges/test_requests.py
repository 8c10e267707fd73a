"""Every request of the Alpaca adapter, sent to the simulator through Prism: none is refused, nor is an answer.

Prism holds both against Alpaca's own descriptions of its APIs; README.md tells how.
"""

import json
import re
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest
import requests

from brokers.alpaca import account_events, executions, market, order_book
from brokers.alpaca import broker as adapter
from brokers.alpaca.accounts import BrokerageClient
from brokers.alpaca.broker import AlpacaBroker
from brokers.alpaca.capabilities import COINS, SHARES
from brokers.alpaca.settings import BrokerageSettings
from domain.account_opening.status import StatusEvent
from domain.enums import AssetClass, OrderType, Side, TimeInForce
from domain.messages import OrderRef, OrderReport, OrderRequest, Replacement, Trail
from domain.venue.capabilities import AssetRules
from resources.schemas.brokerage import AgreementName, DisclosuresIn, FundingSource, SignUpIn
from services.account_opening.complete_application import complete
from simulators.alpaca.keys import BROKER_KEY, BROKER_SECRET, KEY, SECRET
from tests.brokers.alpaca_peers import Answers, wait_until
from tests.brokers.alpaca_support import ACCOUNT, make_request, make_settings
from tests.judges.conftest import FILL_AFTER, Court
from tests.judges.descriptions import Operations, description

pytestmark = pytest.mark.timeout(300)  # the first run installs Prism

# Newer than the descriptions that are here: Alpaca's documentation of September 2026.
NEWER = {"get /v2/account/activities/{activity_type}: order_id"}
NOT_HTTP = {"/stream"}

EMAIL = "ann@example.com"
SIGNED = {"signed_at": "2026-01-02T03:04:05Z", "ip_address": "185.13.21.99"}
WHOLE_FORM: dict[str, Any] = {
    "contact": {
        "phone_number": "+14155550123", "street_address": ["1 Main Street"], "unit": "2", "city": "Springfield",
        "state": "IL", "postal_code": "62701", "country": "USA",
    },
    "identity": {
        "given_name": "Ann", "middle_name": "B", "family_name": "Smith", "date_of_birth": "1980-01-31",
        "tax_id": "123-45-6789", "tax_id_type": "USA_SSN", "country_of_citizenship": "USA", "country_of_birth": "GBR",
        "country_of_tax_residence": "USA", "funding_source": [*get_args(FundingSource)], "annual_income_min": 10_000,
        "annual_income_max": 20_000, "liquid_net_worth_min": 1, "liquid_net_worth_max": 2, "permanent_resident": False,
        "visa_type": "H1B", "visa_expiration_date": "2030-01-31", "date_of_departure_from_usa": "2030-01-31",
    },
    "disclosures": dict.fromkeys(DisclosuresIn.model_fields, False),
    "agreements": [{"agreement": name, **SIGNED} for name in get_args(AgreementName)],
}  # fmt: skip


def orders_of(rules: AssetRules, side: Side, **usual: Any) -> Iterator[OrderRequest]:
    """Yield an order of each kind and time that the adapter says it can send, far from the quote of 100."""
    for kinds, more in (
        (rules.order_kinds, {}),
        (rules.extended_kinds, {"extended_hours": True}),
        (rules.fraction_kinds if side is Side.BUY else {}, {"quantity": Decimal("0.5")}),  # none is sold short
    ):
        for kind, times in kinds.items():
            limit, stop = ("50", "150") if side is Side.BUY else ("150", "50")
            prices = {"limit": stop if kind.has_stop else limit} if kind.has_limit else {}
            prices |= {"stop": stop} if kind.has_stop else {}
            trail = Trail(percent=Decimal(40)) if kind is OrderType.TRAILING_STOP else None
            for time in times:
                yield make_request(
                    **{**usual, **more}, **prices, trail=trail, side=side, order_type=kind, time_in_force=time
                )


@pytest.fixture
def broker(court: Court) -> Iterator[AlpacaBroker]:
    for symbol in ("AAPL", "MSFT", "BTC/USD"):
        court.simulator.control("PUT", f"quotes/{symbol}", {"bid": "100", "ask": "100"})
    with closing(AlpacaBroker(make_settings(court.url), ACCOUNT)) as broker:
        yield broker


def ref(report: OrderReport, **changes: Any) -> OrderRef:
    names = ("client_order_id", "broker_order_id", "symbol", "side", "quantity", "sent_at")
    return OrderRef(**{**{name: getattr(report, name) for name in names}, **changes})


def see_that_the_judge_is_awake(court: Court) -> None:
    """Fail unless what is wrong is refused by name."""
    usual = {"symbol": "AAPL", "qty": "10", "side": "buy", "type": "market", "time_in_force": "day"}
    keys = {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET}
    for name, wrong in (("time_in_force", "gtd"), ("qty", 10), ("stop_limit", "9"), ("side", "sell_short")):
        order = {**usual, name: wrong}
        answer = requests.post(f"{court.url}/v2/orders", json=order, headers=keys, timeout=10)
        assert answer.status_code == 422
        assert name in answer.json()["validation"][0]["message"]
    assert len(court.refused) == 4
    court.refused.clear()


def send_all_orders(court: Court, broker: AlpacaBroker) -> None:
    coin = {"symbol": "BTCUSD", "asset_class": AssetClass.CRYPTO, "quantity": Decimal("0.5")}
    orders = [*orders_of(SHARES, Side.BUY), *orders_of(SHARES, Side.SELL), *orders_of(COINS, Side.BUY, **coin)]
    assert len(orders) > 40
    for request in orders:
        broker.submit_order(request)
        court.simulator.control("POST", f"orders/{request.client_order_id}/cancel")  # the next is of the other side
        court.simulator.advance(1)  # lists go on from a second to the next


def change_orders(court: Court, broker: AlpacaBroker) -> None:
    sent = broker.submit_order(make_request(limit="50", stop="150", time_in_force=TimeInForce.DAY))
    court.simulator.advance(1)
    terms = {"quantity": Decimal(7), "limit_price": Decimal("51.239"), "stop_price": Decimal("151.231")}
    for change in ({name: value} for name, value in {**terms, "time_in_force": TimeInForce.GTC}.items()):
        sent = broker.replace_order(ref(sent), Replacement(client_order_id=f"{sent.client_order_id}-", **change))
        court.simulator.advance(1)
    broker.cancel_order(ref(sent))
    court.simulator.advance(1)
    broker.find_order(ref(sent))
    broker.find_order(ref(sent, broker_order_id=None))


def read_all(court: Court, broker: AlpacaBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    bought = [broker.submit_order(make_request()) for _ in range(executions.FEW + 1)]
    broker.submit_order(make_request(symbol="BTCUSD", asset_class=AssetClass.CRYPTO, quantity=Decimal("0.5")))
    court.simulator.advance(FILL_AFTER + 1)
    broker.find_order(ref(bought[0]))
    coin = {"symbol": "BTCUSD", "asset_class": AssetClass.CRYPTO, "quantity": Decimal("0.4")}
    for order in orders_of(COINS, Side.SELL, **coin):
        broker.submit_order(order)
        court.simulator.control("POST", f"orders/{order.client_order_id}/cancel")
    monkeypatch.setattr(executions, "PAGE", 2)
    monkeypatch.setattr(order_book, "PAGE", 10)
    with closing(AlpacaBroker(make_settings(court.url), ACCOUNT)) as fresh:
        assert len(fresh.list_orders(datetime.now(UTC) - timedelta(hours=1))) > 10
    assert {position.symbol for position in broker.list_positions()} == {"AAPL", "BTCUSD"}
    broker.account()
    court.simulator.control("PUT", "assets/XYZ", {"attributes": ["ptp_no_exception"]})
    broker.list_assets(["AAPL", "BRK.B", "BTCUSD", "XYZ"])
    broker.list_assets([*(f"A{chr(65 + n)}" for n in range(market.MOST_SINGLE)), "AAPL", "BTCUSD"])
    assert broker.list_quotes(["AAPL", "MSFT", "BTCUSD"]).keys() == {"AAPL", "MSFT", "BTCUSD"}
    broker.session()
    monkeypatch.setattr(broker._market, "_has_phases", False)
    broker.session()


def open_accounts(court: Court) -> None:
    settings = BrokerageSettings(
        environment="simulator", key_id=BROKER_KEY, secret_key=BROKER_SECRET, simulator_url=court.url
    )
    with closing(BrokerageClient(settings)) as brokerage:
        for form in ({}, WHOLE_FORM):
            application, _ = complete(SignUpIn(name="Ann Smith", email=EMAIL, **form).application(), live=bool(form))
            application = replace(application, email=f"{len(form)}{EMAIL}")
            opened = brokerage.open_account(application)
            court.simulator.advance(1)
            assert brokerage.find_by_email(application.email) is not None
            brokerage.get(opened.alpaca_id)
            brokerage.equity(opened.alpaca_id)


def test_the_whole_form_has_all_that_a_form_can_have():
    form = SignUpIn(name="Ann Smith", email=EMAIL, **WHOLE_FORM)
    assert SignUpIn.model_fields.keys() - {"password"} == form.model_fields_set
    for part in (form.contact, form.identity, form.disclosures, form.agreements[0]):
        assert part.model_fields_set == type(part).model_fields.keys()
    assert {agreement.agreement for agreement in form.agreements} == set(get_args(AgreementName))


def paths_of_the_adapter() -> set[str]:
    """Return the paths that stand in the adapter's code, as patterns of a path's end."""
    code = "".join(path.read_text() for path in Path(adapter.__file__).parent.glob("*.py"))
    found = set(re.findall(r'"(/[a-z][^"?]*)"', code)) - NOT_HTTP
    return {re.sub(r"\\\{.*?\\\}(?=/|$)", "[^/]+", re.escape(path)) for path in found}


def test_what_the_adapter_sends_is_what_alpaca_describes(
    court: Court, broker: AlpacaBroker, monkeypatch: pytest.MonkeyPatch
):
    """One test, so that one process starts Prism however many share the tests."""
    see_that_the_judge_is_awake(court)
    send_all_orders(court, broker)
    change_orders(court, broker)
    read_all(court, broker, monkeypatch)
    open_accounts(court)
    assert court.refused == []
    assert court.unknown - NEWER == set()
    assert court.undescribed == set()
    missing = {end for end in paths_of_the_adapter() if not any(re.search(f"{end}$", path) for path in court.paths)}
    assert missing == set()


def test_the_stream_of_account_events_asks_for_what_alpaca_describes(monkeypatch: pytest.MonkeyPatch):
    """A stream does not end, and Prism passes on whole answers only: so it is held against the names alone."""
    monkeypatch.setattr(account_events, "PAUSES", (0.01,))
    operations, heard = Operations(description()), list[StatusEvent]()
    event = {
        "event_ulid": "01HZX",
        "account_id": str(uuid.uuid4()),
        "status_to": "ACTIVE",
        "at": "2026-01-02T03:04:05Z",
    }
    with closing(Answers()) as answers:
        answers.give(200, f"data: {json.dumps(event)}\n\n".encode())
        settings = BrokerageSettings(environment="simulator", key_id="K", secret_key="S", simulator_url=answers.url)
        with closing(account_events.AccountEvents(settings, heard.append)):
            wait_until(lambda: len(answers.asked) > 1)
    assert answers.asked[1].endswith("?since_ulid=01HZX")
    for asked in answers.asked:
        method, _, path = asked.partition(" ")
        assert operations.of(method, path) == "get /v1/events/accounts/status"
        assert operations.unknown_names(method, path) == set()
