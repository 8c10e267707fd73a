"""One trading account: its orders, executions, positions and money."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from simulators.alpaca.wire import iso, text

CLOSED = frozenset({"filled", "canceled", "expired", "rejected", "replaced"})
ZERO, SHORT_MARKUP = Decimal(0), Decimal("1.03")
Price = Callable[[str], tuple[Decimal, Decimal]]


def middle_of(quote: tuple[Decimal, Decimal]) -> Decimal:
    """Return the price halfway between bid and ask."""
    return (quote[0] + quote[1]) / 2


@dataclass
class Order:
    """An order as the venue has it; quantities in shares, prices in dollars."""

    client_order_id: str
    symbol: str
    asset_class: str
    asset_id: str
    side: str
    type: str
    time_in_force: str
    created_at: datetime
    qty: Decimal | None = None
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    hwm: Decimal | None = None  # the highest price that a trailing sale has seen, the lowest of a buy
    extended_hours: bool = False
    position_intent: str | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "pending_new"
    expires_at: datetime | None = None
    updated_at: datetime | None = None
    filled_at: datetime | None = None
    canceled_at: datetime | None = None
    expired_at: datetime | None = None
    failed_at: datetime | None = None
    replaced_at: datetime | None = None
    replaced_by: str | None = None
    replaces: str | None = None
    filled_qty: Decimal = ZERO
    paid: Decimal = ZERO  # price times quantity of all executions
    triggered: bool = False  # its stop was hit
    # What the control has asked for.
    visible_at: datetime | None = None  # look-ups and lists do not show it before
    most: Decimal | None = None  # it fills so much, and the rest when it is told to
    rests: bool = False  # it fills only when it is told to
    fill_at: datetime | None = None  # it does not fill before

    @property
    def is_open(self) -> bool:
        """Return True if it may still be filled."""
        return self.status not in CLOSED

    @property
    def remaining(self) -> Decimal:
        """Return what is left to fill."""
        return (self.qty or ZERO) - self.filled_qty

    @property
    def sign(self) -> int:
        """Return +1 for a buy, -1 for a sell."""
        return 1 if self.side == "buy" else -1

    def wire(self) -> dict[str, Any]:
        """Return it as Alpaca writes it."""
        average = self.paid / self.filled_qty if self.filled_qty else None
        times = ("filled_at", "expired_at", "canceled_at", "failed_at", "replaced_at")
        return {
            "id": self.id,
            "client_order_id": self.client_order_id,
            "created_at": iso(self.created_at),
            "updated_at": iso(self.updated_at or self.created_at),
            "submitted_at": iso(self.created_at),
            **{name: iso(getattr(self, name)) for name in times},
            "replaced_by": self.replaced_by,
            "replaces": self.replaces,
            "asset_id": self.asset_id,
            "symbol": self.symbol,
            "asset_class": self.asset_class,
            "notional": text(self.notional),
            "qty": text(self.qty),
            "filled_qty": text(self.filled_qty),
            "filled_avg_price": text(round(average, 6)) if average is not None else None,
            "order_class": "",
            "order_type": self.type,
            "type": self.type,
            "side": self.side,
            "time_in_force": self.time_in_force,
            "limit_price": text(self.limit_price),
            "stop_price": text(self.stop_price),
            "status": self.status,
            "extended_hours": self.extended_hours,
            "legs": None,
            "trail_percent": text(self.trail_percent),
            "trail_price": text(self.trail_price),
            "hwm": text(self.hwm),
            "expires_at": iso(self.expires_at),
            "position_intent": self.position_intent,
        }


@dataclass
class Position:
    """A holding; negative = short."""

    qty: Decimal = ZERO
    average: Decimal = ZERO

    def add(self, qty: Decimal, price: Decimal) -> None:
        """Take an execution up, signed."""
        after = self.qty + qty
        if self.qty * qty >= 0:
            self.average = (self.qty * self.average + qty * price) / after if after else ZERO
        elif self.qty * after < 0:
            self.average = price
        self.qty = after


@dataclass
class Account:
    """The account of one key."""

    key: str
    secret: str
    cash: Decimal
    created_at: datetime
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    number: str = field(default_factory=lambda: f"PA{uuid.uuid4().hex[:10].upper()}")
    orders: dict[str, Order] = field(default_factory=dict)  # by Alpaca's id
    activities: list[dict[str, Any]] = field(default_factory=list)  # executions, oldest first
    positions: dict[str, Position] = field(default_factory=dict)
    blocked: str = ""
    suspended: bool = False
    shorting: bool = True
    crypto_status: str = "ACTIVE"
    takes_ptp: bool = False  # it is configured to buy partnerships whose sale is taxed
    revoked: bool = False
    multiplier: int = 2

    def by_client_id(self, client_order_id: str) -> Order | None:
        """Return the order of that id, whether it can be seen or not."""
        return next((order for order in self.orders.values() if order.client_order_id == client_order_id), None)

    def held(self, symbol: str) -> Decimal:
        """Return the signed holding of a symbol."""
        return self.positions[symbol].qty if symbol in self.positions else ZERO

    def held_for_orders(self, symbol: str, side: str) -> Decimal:
        """Return how much of a holding is spoken for by open orders that close it."""
        return sum((order.remaining for order in self.holding(symbol, side)), ZERO)

    def holding(self, symbol: str, side: str) -> list[Order]:
        """Return the open orders of one side."""
        return [o for o in self.orders.values() if o.is_open and o.symbol == symbol and o.side == side]

    def equity(self, price: Price) -> Decimal:
        """Return cash and the worth of all holdings."""
        return self.cash + self.market_value(price)

    def market_value(self, price: Price, sign: int = 0) -> Decimal:
        """Return the worth of the holdings, or of the long (1) or short (-1) ones."""
        held = ((symbol, row.qty) for symbol, row in self.positions.items() if sign == 0 or row.qty * sign > 0)
        return sum((qty * middle_of(price(symbol)) for symbol, qty in held), ZERO)

    def buying_power(self, price: Price) -> Decimal:
        """Return for how much more may be bought or sold short, less what open orders will need."""
        gross = self.market_value(price, 1) - self.market_value(price, -1)
        reserved = sum((self.needs(o, o.remaining, price) for o in self.orders.values() if o.is_open), ZERO)
        return max(ZERO, self.multiplier * self.equity(price) - gross - reserved)

    def needs(self, order: Order, quantity: Decimal, price: Price) -> Decimal:
        """Return what buying power an order takes: what it adds to the size of the holding."""
        held = self.held(order.symbol)
        added = max(ZERO, abs(held + order.sign * quantity) - abs(held))
        ask = price(order.symbol)[1]
        each = order.limit_price or ask
        if order.side == "sell":
            # https://docs.alpaca.markets/docs/orders-at-alpaca, "Buying Power": an opening sale is valued at its limit,
            # or at 3 % above the ask where that is more.
            each = max(order.limit_price or ZERO, ask * SHORT_MARKUP)
        return added * each

    def cash_power(self, price: Price) -> Decimal:
        """Return for how much may be bought of what is not bought on margin: the cash that no open order will need."""
        coins = [o for o in self.orders.values() if o.is_open and o.asset_class == "crypto" and o.side == "buy"]
        return max(ZERO, self.cash - sum((self.needs(o, o.remaining, price) for o in coins), ZERO))

    def wire(self, price: Price) -> dict[str, Any]:
        """Return the account as Alpaca writes it."""
        equity, power = text(self.equity(price)), text(round(self.buying_power(price), 2))
        long, short = self.market_value(price, 1), self.market_value(price, -1)
        zero = "0"
        return {
            "id": self.id,
            "account_number": self.number,
            "status": "ACTIVE",
            "crypto_status": self.crypto_status,
            "options_approved_level": 0,
            "options_trading_level": 0,
            "currency": "USD",
            "buying_power": power,
            "regt_buying_power": power,
            "options_buying_power": zero,
            "non_marginable_buying_power": text(round(self.cash_power(price), 2)),
            "cash": text(self.cash),
            "accrued_fees": zero,
            "portfolio_value": equity,
            "trading_blocked": bool(self.blocked),
            "transfers_blocked": False,
            "account_blocked": False,
            "created_at": iso(self.created_at),
            "trade_suspended_by_user": self.suspended,
            "multiplier": str(self.multiplier),
            "shorting_enabled": self.shorting,
            "equity": equity,
            "last_equity": equity,
            "long_market_value": text(long),
            "short_market_value": text(short),
            "initial_margin": text((long - short) / 2),
            "maintenance_margin": text((long - short) * 3 / 10),
            "last_maintenance_margin": zero,
            "sma": zero,
            "balance_asof": f"{self.created_at:%Y-%m-%d}",
            "intraday_adjustments": zero,
            "pending_reg_taf_fees": zero,
        }

    def position_wire(self, symbol: str, price: Price, asset: dict[str, Any]) -> dict[str, Any]:
        """Return a holding as Alpaca writes it; a coin's symbol there has no slash."""
        row, middle = self.positions[symbol], middle_of(price(symbol))
        cost, worth = row.qty * row.average, row.qty * middle
        side = "sell" if row.qty > 0 else "buy"
        free = abs(row.qty) - self.held_for_orders(symbol, side)
        change = text(round((middle - row.average) / row.average, 6)) if row.average else "0"
        return {
            "asset_id": asset["id"],
            "symbol": symbol.replace("/", ""),
            "exchange": asset["exchange"],
            "asset_class": asset["class"],
            "asset_marginable": asset["marginable"],
            "qty": text(row.qty),
            "avg_entry_price": text(round(row.average, 8)),
            "side": "long" if row.qty > 0 else "short",
            "market_value": text(worth),
            "cost_basis": text(round(cost, 8)),
            "unrealized_pl": text(round(worth - cost, 8)),
            "unrealized_plpc": change,
            "unrealized_intraday_pl": text(round(worth - cost, 8)),
            "unrealized_intraday_plpc": change,
            "current_price": text(middle),
            "lastday_price": text(middle),
            "change_today": "0",
            "qty_available": text(free if row.qty > 0 else -free),
        }
