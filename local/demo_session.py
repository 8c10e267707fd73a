"""What the demo registers and which alerts it sends: symbols of its own, all positions closed at the end."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

UNKNOWN = "NOPE.DEMO"  # never registered

STOCKS: tuple[dict[str, Any], ...] = (
    {"symbol": "AAPL.DEMO", "secxch": "NASDAQ", "active": 1},
    {"symbol": "NVDA.DEMO", "secxch": "NASDAQ", "active": 1},
    {"symbol": "BTCUSD.DEMO", "sectype": "CRYPTO", "active": 1},
    {"symbol": "GME.DEMO", "secxch": "NYSE", "active": 0},
    # Legs of active pairs are never active singly.
    {"symbol": "MA.DEMO", "secxch": "NYSE", "active": 0},
    {"symbol": "V.DEMO", "secxch": "NYSE", "active": 0},
    {"symbol": "KO.DEMO", "secxch": "NYSE", "active": 0},
    {"symbol": "PEP.DEMO", "secxch": "NASDAQ", "active": 0},
)
PAIRS: tuple[dict[str, Any], ...] = (
    {"ticker1": "MA.DEMO", "ticker2": "V.DEMO", "hedge": Decimal("1.3"), "status": 1},
    {"ticker1": "KO.DEMO", "ticker2": "PEP.DEMO", "hedge": Decimal("0.4"), "status": 1},
)
PAIR1, PAIR2 = "NYSE:MA.DEMO-1.3*NYSE:V.DEMO", "NYSE:KO.DEMO-0.4*NASDAQ:PEP.DEMO"

# number, ticker, order_action, order_contracts, order_price, position before, position after, order_comment
SESSION = (
    (1, "NASDAQ:AAPL.DEMO", "buy", "100", "228.5", 0, 100, "Enter Long"),
    (2, PAIR1, "buy", "50", "98.45", 0, 50, "Enter Long"),
    (3, "NASDAQ:NVDA.DEMO", "buy", "40", "141.2", 0, 40, "Enter Long"),
    (1, "NASDAQ:AAPL.DEMO", "buy", "100", "228.5", 0, 100, "Enter Long"),  # TradingView delivers it once more
    (4, "BTCUSD.DEMO", "buy", "0.015", "97250.5", 0, Decimal("0.015"), "Enter Long"),
    (5, "NASDAQ:NVDA.DEMO", "sell", "80", "143.85", 40, -40, "Enter Short"),  # from long to short at once
    (6, "NYSE:GME.DEMO", "buy", "200", "27.9", 0, 200, "Enter Long"),  # registered, but passive
    (7, PAIR2, "sell", "100", "1.85", 0, -100, "Enter Short"),
    (8, "NYSE:MA.DEMO-1.25*NYSE:V.DEMO", "sell", "50", "115.6", 50, 0, "Exit Long"),  # a chart with another hedge
    (9, UNKNOWN, "buy", "10", "50", 0, 10, "Enter Long"),
    (10, "NYSE:MA.DEMO+NYSE:V.DEMO", "buy", "10", "860", 0, 10, "Enter Long"),  # a sum is no pair
    (11, PAIR1, "sell", "50", "101.2", 50, 0, "Exit Long"),
    (12, PAIR2, "buy", "100", "1.2", -100, 0, "Exit Short"),
    (13, "NASDAQ:AAPL.DEMO", "sell", "100", "231.75", 100, 0, "Exit Long"),
    (14, "NASDAQ:NVDA.DEMO", "buy", "40", "142.9", -40, 0, "Exit Short"),
    (15, "BTCUSD.DEMO", "sell", "0.015", "97810", Decimal("0.015"), 0, "Exit Long"),
)


def alert_bodies(passphrase: str, run: str) -> Iterator[dict[str, Any]]:
    """Yield the alerts of the session, numbers as texts as TradingView fills them in."""
    for number, ticker, action, contracts, price, before, after, comment in SESSION:
        yield {
            "passphrase": passphrase,
            "ticker": ticker,
            "order_action": action,
            "order_contracts": contracts,
            "order_price": price,
            "mar_pos": side_of(after),
            "mar_pos_size": str(abs(after)),
            "pre_mar_pos": side_of(before),
            "pre_mar_pos_size": str(abs(before)),
            "order_comment": comment,
            "signal_id": f"demo|{run}|{number}",
        }


def side_of(position: Decimal | int) -> str:
    """Return long, short or flat."""
    return "long" if position > 0 else "short" if position < 0 else "flat"
