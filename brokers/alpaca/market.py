"""What Alpaca says of symbols, quotes and the session."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote as quoted

from brokers.alpaca.client import AlpacaClient
from brokers.alpaca.errors import BadRequest, NotFound
from brokers.alpaca.rate_budget import Priority
from brokers.alpaca.symbols import can_exist, from_alpaca, is_coin, to_alpaca
from brokers.alpaca.translate import moment, number
from brokers.errors import BrokerUnavailable
from domain.messages import AssetReport, QuoteReport, SessionReport

MOST_SINGLE = 20  # more assets than these are asked for as one list of all
LIST_SECONDS = 30.0  # so long such a list answers for other assets too; a desk asks for what it trades in parts
MOST_MISSING = 10  # of those that the list lacks are asked for singly at a time: orders need the requests
STEP, WHOLE = Decimal("0.00000001"), Decimal(1)
MOST_QUOTES = 100  # of one request
REFUSED_SECONDS = 600.0  # so long the data service is not asked again for a symbol that it does not know


class AlpacaMarket:
    """Reads of assets, quotes and the clock of one account's connection. All raise BrokerUnavailable."""

    def __init__(self, client: AlpacaClient, feed: str) -> None:
        self._client, self._feed = client, feed
        self._lists: dict[str, tuple[float, dict[str, dict[str, Any]]]] = {}  # by kind, and until when (monotonic)
        self._refused: dict[str, float] = {}  # symbols without quotes, and until when (monotonic) they are left out

    def assets(self, symbols: Sequence[str]) -> Mapping[str, AssetReport | None]:
        """Return what may be done with these symbols; None = unknown, left out = not asked for yet."""
        now, able = datetime.now(UTC), [symbol for symbol in symbols if can_exist(symbol)]
        self._lists = {kind: known for kind, known in self._lists.items() if known[0] > time.monotonic()}
        few = len(able) <= MOST_SINGLE and not (able and {_kind(symbol) for symbol in able} <= self._lists.keys())
        found = {symbol: self._asset(symbol) for symbol in able} if few else self._all_assets(able)
        impossible = dict.fromkeys(symbol for symbol in symbols if not can_exist(symbol))
        return impossible | {symbol: asset and _report(symbol, asset, now) for symbol, asset in found.items()}

    def quotes(self, symbols: Sequence[str]) -> Mapping[str, QuoteReport]:
        """Return the newest quotes; a symbol without one, or with an empty side, is left out."""
        now = time.monotonic()
        able = [symbol for symbol in symbols if can_exist(symbol) and self._refused.get(symbol, now) <= now]
        shares, coins = [s for s in able if not is_coin(s)], [s for s in able if is_coin(s)]
        found: dict[str, QuoteReport] = {}
        for part in _parts(shares):
            found |= self._quotes_of("/stocks/quotes/latest", part, {"feed": self._feed}, "v2")
        for part in _parts(coins):
            found |= self._quotes_of("/crypto/us/latest/quotes", part, {}, "v1beta3")
        return found

    def session(self) -> SessionReport:
        """Return whether the exchange is open."""
        now = datetime.now(UTC)
        clock = self._client.read("/clock", priority=Priority.NEEDED)
        try:
            is_open = clock["is_open"]
            opens_at, closes_at = moment(clock.get("next_open")), moment(clock.get("next_close"))
            at = moment(clock.get("timestamp")) or now
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            raise BrokerUnavailable(f"Alpaca's clock cannot be read ({e})") from e
        return SessionReport(
            is_open=is_open is True,
            at=at,
            opens_at=None if is_open else opens_at,
            closes_at=closes_at if is_open else None,
        )

    def _asset(self, symbol: str) -> dict[str, Any] | None:
        try:
            asset = self._client.read(f"/assets/{quoted(to_alpaca(symbol), safe='')}", priority=Priority.NEEDED)
        except (NotFound, BadRequest):
            return None
        if not isinstance(asset, dict):
            raise BrokerUnavailable("Alpaca's word on an asset cannot be read")
        return asset

    def _all_assets(self, symbols: Sequence[str]) -> dict[str, dict[str, Any] | None]:
        known: dict[str, dict[str, Any]] = {}
        for kind in sorted({_kind(symbol) for symbol in symbols}):
            known |= self._list(kind)
        missing = [symbol for symbol in symbols if symbol not in known]
        found: dict[str, dict[str, Any] | None] = {symbol: known[symbol] for symbol in symbols if symbol in known}
        return found | {symbol: self._asset(symbol) for symbol in missing[:MOST_MISSING]}

    def _list(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return all assets of a kind that Alpaca trades, as heard a moment ago."""
        if (known := self._lists.get(kind)) is not None:
            return known[1]
        asked = {"status": "active", "asset_class": kind}
        listed = self._client.read("/assets", asked, priority=Priority.NEEDED)
        if not isinstance(listed, list) or not listed:
            raise BrokerUnavailable("Alpaca's list of assets cannot be read")
        found = {from_alpaca(str(asset.get("symbol"))): asset for asset in listed if isinstance(asset, dict)}
        # A new dictionary: other threads may just go through the old one.
        self._lists = {**self._lists, kind: (time.monotonic() + LIST_SECONDS, found)}
        return found

    def _quotes_of(
        self, path: str, symbols: Sequence[str], params: dict[str, Any], version: str
    ) -> dict[str, QuoteReport]:
        asked = {**params, "symbols": ",".join(map(to_alpaca, symbols))}
        try:
            answer = self._client.read_data(path, asked, version)
        except BadRequest:
            # One symbol that the data service does not know makes it refuse them all: it is found by halving.
            if len(symbols) == 1:
                self._refused[symbols[0]] = time.monotonic() + REFUSED_SECONDS
                return {}
            middle = len(symbols) // 2
            first = self._quotes_of(path, symbols[:middle], params, version)
            return first | self._quotes_of(path, symbols[middle:], params, version)
        quotes = answer.get("quotes") if isinstance(answer, dict) else None
        if not isinstance(quotes, dict):
            raise BrokerUnavailable("Alpaca's quotes cannot be read")
        source = f"alpaca {self._feed if version == 'v2' else 'crypto'}"
        found = (_quote(from_alpaca(symbol), raw, source) for symbol, raw in quotes.items())
        return {quote.symbol: quote for quote in found if quote is not None}


def _kind(symbol: str) -> str:
    return "crypto" if is_coin(symbol) else "us_equity"


def _report(symbol: str, asset: Mapping[str, Any], now: datetime) -> AssetReport:
    coin = asset.get("class") == "crypto"
    step = STEP if coin or asset.get("fractionable") else WHOLE
    try:
        increment = number(asset.get("min_trade_increment")) if coin else None
    except ValueError as e:
        raise BrokerUnavailable(f"Alpaca's word on {symbol} cannot be read ({e})") from e
    # What is hard to borrow needs a locate first, which the desk does not arrange.
    easy = asset.get("borrow_status", "easy_to_borrow") == "easy_to_borrow" and asset.get("easy_to_borrow") is not False
    return AssetReport(
        symbol=symbol,
        tradable=asset.get("tradable") is True and asset.get("status") == "active",
        shortable=asset.get("shortable") is True and easy and not coin,
        quantity_step=max(step, increment or step),
        at=now,
        short_step=None if coin else WHOLE,  # fractions of a share cannot be sold short
        always_open=coin,
    )


def _quote(symbol: str, raw: Any, source: str) -> QuoteReport | None:
    try:
        bid, ask, at = number(raw.get("bp")), number(raw.get("ap")), moment(raw.get("t"))
    except (AttributeError, ValueError):
        return None
    if not bid or not ask or bid <= 0 or ask <= 0 or at is None:  # an empty side is written as 0
        return None
    return QuoteReport(symbol=symbol, bid=bid, ask=ask, at=at, source=source)


def _parts(symbols: Sequence[str]) -> list[Sequence[str]]:
    return [symbols[start : start + MOST_QUOTES] for start in range(0, len(symbols), MOST_QUOTES)]
