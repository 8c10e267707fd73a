"""The simulator's market: which assets there are, and what they are quoted at."""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from simulators.alpaca.clock import Clock
from simulators.alpaca.wire import iso, text

SHARE = re.compile(r"[A-Z]{1,5}(\.[A-Z]{1,4})?")
COINS = {
    "BTC": "60000", "ETH": "3000", "SOL": "150", "LTC": "80", "AVAX": "30", "DOGE": "0.15", "LINK": "15", "UNI": "8",
}  # fmt: skip
CURRENCIES = ("USD", "USDT", "USDC")
# https://docs.alpaca.markets/docs/crypto-trading, "Supported Coins": the sample of BTC/USD.
PRICE_STEPS, LEAST_SIZES = {"BTC/USD": "1"}, {"BTC/USD": "0.0001"}
NAMESPACE = uuid.UUID("7a3c9b8e-1a52-4a3e-9a39-2d1d0f3f5c11")


@dataclass
class Market:
    """Every share of one to five letters exists unless it begins with NO. or ZZZZ; so do some coins."""

    clock: Clock
    quotes: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)  # set by the control
    rules: dict[str, dict[str, Any]] = field(default_factory=dict)  # what the control says of assets
    asked: set[str] = field(default_factory=set)  # shares that somebody has asked for

    def asset(self, symbol: str) -> dict[str, Any] | None:
        """Return an asset by its symbol, a coin with or without its slash; None = there is none."""
        found = coin_name(symbol)
        name, coin = found or symbol, found is not None
        if not coin and (not SHARE.fullmatch(name) or name.startswith(("NO.", "ZZZZ"))):
            return None
        self.asked.add(name)
        asset: dict[str, Any] = {
            "id": asset_id(name),
            "class": "crypto" if coin else "us_equity",
            "exchange": "CRYPTO" if coin else "NASDAQ",
            "symbol": name,
            "name": f"{name} of the simulator",
            "status": "active",
            "tradable": True,
            "marginable": not coin,
            "maintenance_margin_requirement": 100 if coin else 30,
            "margin_requirement_long": "100" if coin else "30",
            "margin_requirement_short": "100" if coin else "30",
            "shortable": not coin,
            "easy_to_borrow": not coin,
            "borrow_status": "easy_to_borrow",
            "fractionable": True,
            "attributes": [],
        }
        if coin:
            asset |= {
                "min_order_size": LEAST_SIZES.get(name, "0.000000001"),
                "min_trade_increment": "0.000000001",
                "price_increment": PRICE_STEPS.get(name, "0.000000001"),
            }
            del asset["borrow_status"]
        return asset | self.rules.get(name, {})

    def listed(self) -> list[str]:
        """Return symbols that a list of all assets shows: the coins, and a number of shares."""
        shares = ["AAPL", "AMZN", "BRK.B", "GOOGL", "JPM", "MA", "META", "MSFT", "NVDA", "SPY", "TSLA", "V", "XOM"]
        coins = [f"{coin}/{currency}" for coin in COINS for currency in CURRENCIES]
        return sorted({*shares, *coins, *self.rules, *self.quotes, *self.asked})

    def quote(self, symbol: str) -> tuple[Decimal, Decimal]:
        """Return bid and ask of an asset: as the control has set it, else made of its name."""
        if symbol in self.quotes:
            return self.quotes[symbol]
        if "/" in symbol:
            middle = Decimal(COINS[symbol.split("/")[0]])
            half = middle / 10000
        else:
            digest = int.from_bytes(hashlib.sha256(symbol.encode()).digest()[:4], "big")
            middle, half = Decimal(2000 + digest % 38000) / 100, Decimal("0.01")
        return middle - half, middle + half

    def quote_body(self, symbol: str, at: datetime) -> dict[str, Any]:
        """Return a quote as the data service writes it."""
        bid, ask = self.quote(symbol)
        coin = "/" in symbol
        body: dict[str, Any] = {"t": iso(at), "bp": float(bid), "bs": 100, "ap": float(ask), "as": 100}
        return body if coin else {**body, "bx": "V", "ax": "V", "c": ["R"], "z": "C"}

    def trade_body(self, symbol: str, at: datetime) -> dict[str, Any]:
        """Return the last trade as the data service writes it."""
        bid, ask = self.quote(symbol)
        body: dict[str, Any] = {"t": iso(at), "p": float((bid + ask) / 2), "s": 100, "i": int(at.timestamp() * 1000)}
        return {**body, "tks": "B"} if "/" in symbol else {**body, "x": "V", "c": ["@"], "z": "C"}


def coin_name(symbol: str) -> str | None:
    """Return BTC/USD for BTC/USD and for BTCUSD; None for what is no coin."""
    for currency in sorted(CURRENCIES, key=len, reverse=True):
        coin = symbol.removesuffix(currency).removesuffix("/")
        if symbol.endswith(currency) and coin in COINS:
            return f"{coin}/{currency}"
    return None


def asset_id(symbol: str) -> str:
    """Return the id that an asset has in every run."""
    return str(uuid.uuid5(NAMESPACE, symbol))


def price_text(price: Decimal) -> str:
    """Return a price as text."""
    return text(price) or "0"
