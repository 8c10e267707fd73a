"""What Alpaca says of symbols, quotes and the session."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote as quoted

from brokers.alpaca.asset_reports import asset_report, is_ptp, session_report
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
CLOCKS = "NYSE,BOATS"
MOST_QUOTES = 100  # of one request
REFUSED_SECONDS = 600.0  # so long the data service is not asked again for a symbol that it does not know


class AlpacaMarket:
    """Reads of assets, quotes and the clock of one account's connection. All raise BrokerUnavailable."""

    def __init__(self, client: AlpacaClient, feed: str) -> None:
        self._client, self._feed = client, feed
        self._lists: dict[str, tuple[float, dict[str, dict[str, Any]]]] = {}  # by kind, and until when (monotonic)
        self._has_phases = True
        self._ptp: bool | None = None  # as the account is configured; None = not asked yet
        self._refused: dict[str, float] = {}  # symbols without quotes, and until when (monotonic) they are left out

    def assets(self, symbols: Sequence[str]) -> Mapping[str, AssetReport | None]:
        """Return what may be done with these symbols; None = unknown, left out = not asked for yet."""
        now, able = datetime.now(UTC), [symbol for symbol in symbols if can_exist(symbol)]
        self._lists = {kind: known for kind, known in self._lists.items() if known[0] > time.monotonic()}
        few = len(able) <= MOST_SINGLE and not (able and {_kind(symbol) for symbol in able} <= self._lists.keys())
        found = {symbol: self._asset(symbol) for symbol in able} if few else self._all_assets(able)
        impossible = dict.fromkeys(symbol for symbol in symbols if not can_exist(symbol))
        return impossible | {
            symbol: asset and asset_report(symbol, asset, now, takes_ptp=is_ptp(asset) and self._takes_ptp())
            for symbol, asset in found.items()
        }

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
        """Return whether the exchange is open, and whether the overnight session is on."""
        if self._has_phases:
            try:
                answer = self._client.read("/clock", {"markets": CLOCKS}, priority=Priority.NEEDED, version="v3")
                return session_report(answer)
            except (NotFound, BadRequest):
                self._has_phases = False  # the older clock does not know the night
        return session_report(self._client.read("/clock", priority=Priority.NEEDED))

    def _takes_ptp(self) -> bool:
        """Return True if the account's owner has allowed partnerships whose sale is taxed, as most never do."""
        if self._ptp is None:
            told = self._client.read("/account/configurations", priority=Priority.NEEDED)
            self._ptp = isinstance(told, dict) and told.get("ptp_no_exception_entry") is True
        return self._ptp

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
