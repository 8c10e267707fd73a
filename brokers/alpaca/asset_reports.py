"""What Alpaca's words on an asset and on its clocks mean. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from brokers.alpaca.capabilities import COINS, STEP
from brokers.alpaca.translate import moment, number
from brokers.errors import BrokerUnavailable
from domain.enums import AssetClass
from domain.messages import AssetReport, SessionReport

WHOLE = Decimal(1)
DOLLARS = "/USD"  # a coin that is traded against dollars
PTP = "a partnership (PTP) of whose sale 10 % may be withheld, and the account is not set to take such orders"


def is_ptp(asset: Mapping[str, Any]) -> bool:
    """Return True for a publicly traded partnership that may be bought only where the account is set so."""
    return "ptp_no_exception" in _attributes(asset)


def asset_report(symbol: str, asset: Mapping[str, Any], now: datetime, *, takes_ptp: bool) -> AssetReport:
    """Return what may be done with an asset; raises BrokerUnavailable where that cannot be read."""
    coin = asset.get("class") == "crypto"
    step = STEP if coin or asset.get("fractionable") else WHOLE
    try:
        names = ("min_trade_increment", "price_increment", "min_order_size")
        increment, price_step, least = (number(asset.get(name)) if coin else None for name in names)
    except ValueError as e:
        raise BrokerUnavailable(f"Alpaca's word on {symbol} cannot be read ({e})") from e
    # What is hard to borrow needs a locate first, which the desk does not arrange.
    easy = asset.get("borrow_status", "easy_to_borrow") == "easy_to_borrow" and asset.get("easy_to_borrow") is not False
    attributes = _attributes(asset)
    in_dollars = str(asset.get("symbol")).endswith(DOLLARS)
    return AssetReport(
        symbol=symbol,
        tradable=asset.get("tradable") is True and asset.get("status") == "active",
        shortable=asset.get("shortable") is True and easy and not coin,
        quantity_step=max(step, increment or step),
        at=now,
        short_step=None if coin else WHOLE,  # fractions of a share cannot be sold short
        always_open=coin,
        asset_class=AssetClass.CRYPTO if coin else AssetClass.STOCK,
        price_step=price_step or None,
        least_value=(COINS.least_value if in_dollars else Decimal(0)) if coin else None,
        least_quantity=least,
        extended_fractions="fractional_eh_enabled" in attributes,
        overnight="overnight_tradable" in attributes and "overnight_halted" not in attributes,
        not_bought=PTP if is_ptp(asset) and not takes_ptp else "",
    )


def session_report(answer: Any) -> SessionReport:
    """Return what a clock says: the newer one, which has a phase for each market, or the older one."""
    try:
        return _of_phases(answer) if "clocks" in answer else _of_clock(answer)
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        raise BrokerUnavailable(f"Alpaca's clock cannot be read ({e})") from e


def _of_clock(clock: Mapping[str, Any]) -> SessionReport:
    return _session(clock["is_open"] is True, clock, clock.get("next_open"), clock.get("next_close"))


def _of_phases(answer: Mapping[str, Any]) -> SessionReport:
    clocks = {_market(clock): clock for clock in answer["clocks"]}
    exchange, night = clocks["NYSE"], clocks.get("BOATS")
    is_overnight = exchange["phase"] == "closed" and night is not None and night["phase"] == "core"
    opens, closes = exchange.get("next_market_open"), exchange.get("next_market_close")
    return _session(exchange["phase"] == "core", exchange, opens, closes, is_overnight=is_overnight)


def _session(
    is_open: bool, clock: Mapping[str, Any], opens: Any, closes: Any, *, is_overnight: bool = False
) -> SessionReport:
    opens_at, closes_at = moment(opens), moment(closes)
    return SessionReport(
        is_open=is_open,
        at=moment(clock.get("timestamp")) or datetime.now(UTC),
        opens_at=None if is_open else opens_at,
        closes_at=closes_at if is_open else None,
        is_overnight=is_overnight,
    )


def _market(clock: Mapping[str, Any]) -> str:
    market = clock["market"]
    return str(market["acronym"] if isinstance(market, dict) else market)


def _attributes(asset: Mapping[str, Any]) -> frozenset[str]:
    given = asset.get("attributes")
    return frozenset(map(str, given)) if isinstance(given, list) else frozenset()
