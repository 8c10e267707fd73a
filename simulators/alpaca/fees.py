"""What is kept of each trade of a coin: of what the account receives, the coin for a buy, the dollars for a sale."""

from __future__ import annotations

import uuid
from datetime import datetime
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import Any

from simulators.alpaca.account import Account, Order
from simulators.alpaca.wire import text

PART = Decimal("0.0025")  # of who trades little, and takes what is offered
NANO, CENT = Decimal("1e-9"), Decimal("0.01")


def take_fee(account: Account, order: Order, quantity: Decimal, price: Decimal, at: datetime) -> None:
    """Take the fee of an execution out of the account, with an entry among its activities; shares cost nothing.

    Alpaca makes the entries at the end of the day, the simulator at once.
    """
    if order.asset_class != "crypto":
        return
    entry: dict[str, Any] = {
        "id": f"{at:%Y%m%d%H%M%S}{at.microsecond // 1000:03d}::{uuid.uuid4()}",
        "date": f"{at:%Y-%m-%d}",
        "status": "executed",
    }
    if order.side == "buy":
        fee = (quantity * PART).quantize(NANO, ROUND_DOWN)
        account.positions[order.symbol].qty -= fee
        coin = {"symbol": order.symbol.replace("/", ""), "qty": text(-fee), "price": text(price)}
        entry |= {
            "activity_type": "CFEE",
            "net_amount": "0",
            "description": "Coin Pair Transaction Fee (Non USD)",
            **coin,
        }
    else:
        fee = (quantity * price * PART).quantize(CENT, ROUND_UP)
        account.cash -= fee
        entry |= {"activity_type": "FEE", "net_amount": text(-fee), "description": "Coin Pair Transaction Fee (USD)"}
    account.activities.append(entry)
