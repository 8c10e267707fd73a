"""One account at Alpaca, as the desk sees a broker."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any

from brokers.alpaca.capabilities import capabilities
from brokers.alpaca.client import AlpacaClient
from brokers.alpaca.market import AlpacaMarket
from brokers.alpaca.order_book import OrderBook
from brokers.alpaca.rate_budget import Clock, Priority
from brokers.alpaca.settings import AlpacaSettings
from brokers.alpaca.stream import TradeUpdates
from brokers.alpaca.symbols import from_alpaca
from brokers.alpaca.translate import number, order_body, replacement_body
from brokers.base import OrderAnswer, Stream, StreamListener
from brokers.errors import BrokerUnavailable, OrderRejected, OutcomeUnknown
from brokers.one_by_one import submit_one_by_one
from domain.exact import EIGHT, EXACT, round8
from domain.messages import (
    AccountReport,
    AssetReport,
    Found,
    OrderRef,
    OrderReport,
    OrderRequest,
    PositionReport,
    QuoteReport,
    Replacement,
    SessionReport,
)
from domain.order_status import CLOSED, OrderStatus

BLOCKS = {
    "trading_blocked": "trading is blocked",
    "account_blocked": "the account is blocked",
    "trade_suspended_by_user": "trading is suspended by its owner",
}


class AlpacaBroker:
    """The Broker of one account; calls make one attempt and end within ten seconds."""

    name = "alpaca"

    def __init__(self, settings: AlpacaSettings, account: str, clock: Clock = time) -> None:
        self._settings, self._account = settings, account
        self.capabilities = capabilities(settings.environment)
        self._client = AlpacaClient(settings, clock, account)
        self._orders = OrderBook(self._client)
        self._market = AlpacaMarket(self._client, settings.feed)

    def submit_order(self, request: OrderRequest) -> OrderReport:
        """Send one order; it is filled later. OrderRejected also as long as live trading is not switched on."""
        if not self._settings.may_trade:
            raise OrderRejected(f"live trading is not switched on for the account '{self._account}'")
        if request.account != self._account:
            raise OrderRejected(f"the order is for account '{request.account}', this is '{self._account}'")
        priority = Priority.URGENT if request.is_urgent else Priority.ENTRY
        order = self._client.post("/orders", order_body(request), priority=priority)
        return self._read_sent(order, request.client_order_id)

    def submit_orders(self, requests: Sequence[OrderRequest]) -> Sequence[OrderAnswer]:
        """Send several orders, each in a request of its own; an error is the answer of its order."""
        return submit_one_by_one(self, requests)

    def cancel_order(self, order: OrderRef) -> OrderReport:
        """Request the cancel of a working order; an ended one is reported as it is. OrderRejected if it is unknown."""
        order_id = order.broker_order_id or str(self._find_raw(order)["id"])
        refusal: OrderRejected | None = None
        try:
            self._client.delete(f"/orders/{order_id}")
        except OrderRejected as e:
            refusal = e
        report = self._orders.find(replace(order, broker_order_id=order_id))
        if report is None:
            raise refusal or OutcomeUnknown("Alpaca does not show the order any more")
        if refusal is not None and report.status not in CLOSED | {OrderStatus.CANCEL_PENDING}:
            raise refusal  # a second wish for the end of an order is refused as long as the first is at work
        return report

    def replace_order(self, order: OrderRef, terms: Replacement) -> OrderReport:
        """Give a working order other terms; the report is of the order that takes its place."""
        if not self._settings.may_trade:
            raise OrderRejected(f"live trading is not switched on for the account '{self._account}'")
        old = self._find_raw(order)
        new = self._client.patch(f"/orders/{old['id']}", replacement_body(terms, old))
        return self._read_sent(new, terms.client_order_id)

    def find_order(self, order: OrderRef) -> Found:
        """Look one order up by Alpaca's id, or by ours: Alpaca knows all that it has ever taken."""
        return Found(report=self._orders.find(order), is_proof=True)

    def list_orders(self, since: datetime) -> Sequence[OrderReport]:
        """Return the open orders and those sent since `since` (aware UTC), oldest change first."""
        return self._orders.changed_since(since)

    def list_positions(self) -> Sequence[PositionReport]:
        """Return all holdings; an empty answer means flat."""
        found = self._client.read("/positions", priority=Priority.NEEDED)
        if not isinstance(found, list):
            raise BrokerUnavailable("Alpaca's list of positions cannot be read")
        now = datetime.now(UTC)
        return [position for position in (_position(row, now) for row in found) if position.quantity]

    def account(self) -> AccountReport:
        """Return the account's money and whether it takes orders."""
        row = self._client.read("/account", priority=Priority.NEEDED)
        try:
            cash, power, equity = (number(row[name]) for name in ("cash", "buying_power", "equity"))
            blocked = [text for name, text in BLOCKS.items() if row.get(name) is True]
            if row.get("status") != "ACTIVE":
                blocked.append(f"its status is {row.get('status')}")
            if cash is None or power is None or equity is None:
                raise ValueError("no money is stated")
            own = number(row.get("non_marginable_buying_power"))
            coins = row.get("crypto_status")
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            raise BrokerUnavailable(f"Alpaca's account cannot be read ({e})") from e
        return AccountReport(
            account=self._account,
            cash=cash,
            currency=str(row.get("currency") or "USD"),
            at=datetime.now(UTC),
            buying_power=power,
            equity=equity,
            cash_power=max(cash, Decimal(0)) if own is None else own,
            may_short=row.get("shorting_enabled") is True,
            coins_blocked="" if coins == "ACTIVE" else f"its crypto_status is {coins}",
            blocked=", ".join(blocked),
            number=str(row.get("account_number") or ""),
        )

    def list_assets(self, symbols: Sequence[str]) -> Mapping[str, AssetReport | None]:
        """Return what may be done with these symbols; None = Alpaca does not know it, left out = ask once more."""
        return self._market.assets(symbols)

    def list_quotes(self, symbols: Sequence[str]) -> Mapping[str, QuoteReport]:
        """Return the newest quotes; a symbol without one is left out."""
        return self._market.quotes(symbols)

    def session(self) -> SessionReport:
        """Return whether the exchange is open now."""
        return self._market.session()

    def reads_wait(self, orders: int) -> bool:
        """Return True if so many orders need the requests that are left of the minute."""
        return self._client.are_reads_scarce(orders)

    def listen(self, listener: StreamListener) -> Stream:
        """Begin to listen to the account's trade updates."""
        return TradeUpdates(self._settings, listener)

    def close(self) -> None:
        """Release connections."""
        self._client.close()

    def _read_sent(self, order: Any, client_order_id: str) -> OrderReport:
        """Return the report of an order that was just taken; its executions come with a later poll.

        An answer that cannot be understood may mean it all the same, so that a look-up has to say.
        """
        if not isinstance(order, dict) or order.get("client_order_id") != client_order_id:
            raise OutcomeUnknown("Alpaca's answer speaks of another order, or of none")
        try:
            return self._orders.translate(order, ())
        except BrokerUnavailable as e:
            raise OutcomeUnknown(str(e)) from e

    def _find_raw(self, order: OrderRef) -> Mapping[str, Any]:
        found = self._orders.find_raw(order)
        if found is None:
            raise OrderRejected("no such order")
        return found


def _position(row: Any, now: datetime) -> PositionReport:
    try:
        quantity, price = number(row["qty"]), number(row["avg_entry_price"])
        if quantity is None or price is None:
            raise ValueError("no quantity or price")
        if row.get("side") == "short":
            quantity = -abs(quantity)
        # Fees of coins have nine decimals; what is left of the ninth cannot be traded by the desk.
        quantity = round8(quantity.quantize(EIGHT, ROUND_DOWN, EXACT))
        return PositionReport(symbol=from_alpaca(row["symbol"]), quantity=quantity, average_price=price, at=now)
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        raise BrokerUnavailable(f"a position at Alpaca cannot be read ({e})") from e
