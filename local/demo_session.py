"""What the demo registers and which alerts it sends: symbols of its own, one position left open at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

UNKNOWN = "NOPE.DEMO"  # never registered
HELD = "AMD.DEMO"  # filled in two parts, and held at the end
REJECTED = "CVX.DEMO"  # a leg that the paper broker rejects
STOPPED = "TSLA.DEMO"  # under a stop at first
FOREIGN = "IBM.DEMO"  # somebody else's order, which the desk does not touch

STOCKS: tuple[dict[str, Any], ...] = (
    {"symbol": "AAPL.DEMO", "secxch": "NASDAQ", "active": 1},
    {"symbol": "NVDA.DEMO", "secxch": "NASDAQ", "active": 1},
    {"symbol": "BTCUSD.DEMO", "sectype": "CRYPTO", "active": 1},
    {"symbol": HELD, "secxch": "NASDAQ", "active": 1},
    {"symbol": STOPPED, "secxch": "NASDAQ", "active": 1},
    {"symbol": "GME.DEMO", "secxch": "NYSE", "active": 0},
    # Legs of active pairs are never active singly.
    {"symbol": "MA.DEMO", "secxch": "NYSE", "active": 0},
    {"symbol": "V.DEMO", "secxch": "NYSE", "active": 0},
    {"symbol": "KO.DEMO", "secxch": "NYSE", "active": 0},
    {"symbol": "PEP.DEMO", "secxch": "NASDAQ", "active": 0},
    {"symbol": "GM.DEMO", "secxch": "NYSE", "active": 0},
    {"symbol": "F.DEMO", "secxch": "NYSE", "active": 0},
    {"symbol": "SHEL.DEMO", "secxch": "NYSE", "active": 0},
    {"symbol": "BP.DEMO", "secxch": "NYSE", "active": 0},
    {"symbol": "XOM.DEMO", "secxch": "NYSE", "active": 0},
    {"symbol": REJECTED, "secxch": "NYSE", "active": 0},
)
PAIRS: tuple[dict[str, Any], ...] = (
    {"ticker1": "MA.DEMO", "ticker2": "V.DEMO", "hedge": Decimal("1.3"), "status": 1},
    {"ticker1": "KO.DEMO", "ticker2": "PEP.DEMO", "hedge": Decimal("0.4"), "status": 1},
    {"ticker1": "GM.DEMO", "ticker2": "F.DEMO", "hedge": 4, "status": 1, "leg_policy": "leg1_first"},
    {"ticker1": "SHEL.DEMO", "ticker2": "BP.DEMO", "hedge": 2, "status": 1, "leg_policy": "attached"},
    {"ticker1": "XOM.DEMO", "ticker2": REJECTED, "hedge": Decimal("0.7"), "status": 1, "on_leg_failure": "unwind"},
)
PAIR1, PAIR2 = "NYSE:MA.DEMO-1.3*NYSE:V.DEMO", "NYSE:KO.DEMO-0.4*NASDAQ:PEP.DEMO"
ONE_BY_ONE, ATTACHED = "NYSE:GM.DEMO-4*NYSE:F.DEMO", "NYSE:SHEL.DEMO-2*NYSE:BP.DEMO"
BROKEN = f"NYSE:XOM.DEMO-0.7*NYSE:{REJECTED}"

Row = tuple[int, str, str, str, str, Decimal | int, Decimal | int, str]
# number, ticker, order_action, order_contracts, order_price, position before, position after, order_comment
SESSION: tuple[Row, ...] = (
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
    (16, ONE_BY_ONE, "buy", "25", "2.1", 0, 25, "Enter Long"),  # leg 2 follows the fills of leg 1
    (17, ONE_BY_ONE, "sell", "25", "2.4", 25, 0, "Exit Long"),
    (18, ATTACHED, "sell", "40", "1.15", 0, -40, "Enter Short"),  # the broker itself sends leg 2
    (19, ATTACHED, "buy", "40", "0.95", -40, 0, "Exit Short"),
)
# What a broker's bad day brings, and a stop.
ROUGH: tuple[Row, ...] = (
    (20, BROKEN, "buy", "30", "4.4", 0, 30, "Enter Long"),  # leg 2 is rejected, so leg 1 is traded back
    (21, f"NASDAQ:{HELD}", "buy", "100", "162.4", 0, 100, "Enter Long"),
    (22, f"NASDAQ:{STOPPED}", "buy", "10", "251", 0, 10, "Enter Long"),
)
# Sent when the stop is released.
AFTER_THE_STOP: tuple[Row, ...] = (
    (23, f"NASDAQ:{STOPPED}", "buy", "10", "251.4", 0, 10, "Enter Long"),
    (24, f"NASDAQ:{STOPPED}", "sell", "10", "252.2", 10, 0, "Exit Long"),
)


def alert_bodies(passphrase: str, run: str, rows: Sequence[Row] = SESSION) -> Iterator[dict[str, Any]]:
    """Yield alerts, numbers as texts as TradingView fills them in."""
    for number, ticker, action, contracts, price, before, after, comment in rows:
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


def exit_of_last_run(quantity: Decimal, price: Decimal) -> Row:
    """Return the alert that closes what the last run has left open; quantity in shares, signed."""
    action = "sell" if quantity > 0 else "buy"
    return (0, f"NASDAQ:{HELD}", action, f"{abs(quantity):f}", f"{price:f}", quantity, 0, "Exit Long")


def side_of(position: Decimal | int) -> str:
    """Return long, short or flat."""
    return "long" if position > 0 else "short" if position < 0 else "flat"
