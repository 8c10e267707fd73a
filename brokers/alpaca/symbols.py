"""Symbols as Alpaca writes them, and back. Pure.

Shares are written alike, class shares with a dot (`BRK.B`). A coin is `BTC/USD` in orders and quotes and
`BTCUSD` in positions; the desk, like TradingView, says `BTCUSD`.
"""

from __future__ import annotations

import re

QUOTE_CURRENCIES = ("USDT", "USDC", "USD", "BTC")  # what Alpaca's coins are traded against, longest first
_SHARE = re.compile(r"[A-Z]{1,5}(\.[A-Z]{1,4})?")  # no share of a US exchange has more than five letters before the dot
_COIN = re.compile(rf"([A-Z0-9]{{2,}}?)({'|'.join(QUOTE_CURRENCIES)})")


def is_coin(symbol: str) -> bool:
    """Return True if the desk's symbol names a coin pair: six characters or more, with a known currency at the end."""
    return not _SHARE.fullmatch(symbol) and _COIN.fullmatch(symbol) is not None


def can_exist(symbol: str) -> bool:
    """Return True if Alpaca could know the symbol at all; it refuses a whole list of quotes for one it cannot read."""
    return _SHARE.fullmatch(symbol) is not None or is_coin(symbol)


def to_alpaca(symbol: str) -> str:
    """Return the symbol for orders, assets and quotes: BTCUSD becomes BTC/USD, all others stay."""
    found = None if _SHARE.fullmatch(symbol) else _COIN.fullmatch(symbol)
    return f"{found[1]}/{found[2]}" if found else symbol


def from_alpaca(symbol: str) -> str:
    """Return the desk's symbol of what Alpaca calls so."""
    return symbol.replace("/", "")
