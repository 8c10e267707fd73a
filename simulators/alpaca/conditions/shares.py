"""What Alpaca asks of orders for shares, beyond what it asks of all."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from simulators.alpaca.account import Account, Order
from simulators.alpaca.clock import Clock
from simulators.alpaca.wire import BUSINESS, FORBIDDEN, Refused, fits

LEAST = 1  # dollars


def check_fraction(order: Order, asset: dict[str, Any], account: Account, ask: Decimal) -> None:
    """Refuse parts of a share that are not traded so.

    https://docs.alpaca.markets/docs/fractional-trading: fractionable assets, day orders, from 1 dollar, never short.
    `fractional_eh_enabled`, https://docs.alpaca.markets/reference/get-v2-assets-symbol_or_asset_id: only such assets
    take them outside of the session.
    """
    assert order.qty is not None
    if order.notional is None and fits(order.qty, 0):
        return
    if not asset["fractionable"]:
        raise Refused(403, FORBIDDEN, f'asset "{order.symbol}" is not fractionable')
    if order.time_in_force != "day":
        raise Refused(422, BUSINESS, "fractional orders must be DAY orders")
    if order.extended_hours and "fractional_eh_enabled" not in asset["attributes"]:
        raise Refused(422, BUSINESS, f'asset "{order.symbol}" takes no fractional orders in extended hours')
    if order.side == "sell" and account.held(order.symbol) <= 0:
        raise Refused(422, BUSINESS, "fractional orders cannot be sold short")
    if order.side == "buy" and (order.notional or order.qty * (order.limit_price or ask)) < LEAST:
        raise Refused(422, BUSINESS, f"cost basis must be >= minimal amount of order {LEAST}")


def check_attributes(order: Order, asset: dict[str, Any], account: Account, clock: Clock) -> None:
    """Refuse what the attributes of an asset forbid.

    https://docs.alpaca.markets/reference/get-v2-assets-symbol_or_asset_id: `ptp_no_exception` is blocked from being
    bought unless the account is configured for it (`ptp_no_exception_entry`); `overnight_tradable`,
    `overnight_halted`. https://docs.alpaca.markets/us/docs/245-trading.md: the overnight session takes extended-hours
    orders.
    """
    attributes = asset["attributes"]
    opens = account.held(order.symbol) * order.sign >= 0
    if opens and order.side == "buy" and "ptp_no_exception" in attributes and not account.takes_ptp:
        raise Refused(403, FORBIDDEN, f'asset "{order.symbol}" is a PTP without exception and cannot be bought')
    if order.extended_hours and clock.is_overnight():
        if "overnight_halted" in attributes:
            raise Refused(422, BUSINESS, f'asset "{order.symbol}" is halted for the overnight session')
        if "overnight_tradable" not in attributes:
            raise Refused(422, BUSINESS, f'asset "{order.symbol}" is not tradable in the overnight session')
