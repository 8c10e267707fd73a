"""The clocks with phases, /v3, and the settings of an account."""

from __future__ import annotations

from datetime import datetime, timedelta

from aiohttp import web

from simulators.alpaca.clock import NEW_YORK, Clock
from simulators.alpaca.trading import WORLD, account_of
from simulators.alpaca.wire import VALIDATION, Refused, answer

routes = web.RouteTableDef()
MARKETS = {"NYSE": "New York Stock Exchange", "BOATS": "Blue Ocean Alternative Trading System"}


@routes.get("/v3/clock")
async def get_clock(request: web.Request) -> web.Response:
    """Show the phase that each of the markets asked for is in."""
    clock = request.app[WORLD].clock
    asked = request.query.get("markets", "NYSE").split(",")
    if unknown := [name for name in asked if name not in MARKETS]:
        raise Refused(400, VALIDATION, f"unknown market {unknown[0]}")
    now = clock.now()
    times = {"timestamp": now, "next_market_open": clock.next_open(), "next_market_close": clock.next_close()}
    shown = {name: at.astimezone(NEW_YORK).isoformat() for name, at in times.items()}
    clocks = [
        {
            "market": {"acronym": name, "name": MARKETS[name], "timezone": str(NEW_YORK)},
            **shown,
            "is_market_day": clock.is_market_day(),
            "phase": phase_of(clock, name),
            "phase_until": _until(clock, now).astimezone(NEW_YORK).isoformat(),
        }
        for name in asked
    ]
    return answer({"clocks": clocks})


@routes.get("/v2/account/configurations")
async def get_configurations(request: web.Request) -> web.Response:
    """Show what the owner of an account has set."""
    account = account_of(request)
    return answer(
        {
            "dtbp_check": "both",
            "trade_confirm_email": "all",
            "suspend_trade": account.suspended,
            "no_shorting": not account.shorting,
            "fractional_trading": True,
            "max_margin_multiplier": str(account.multiplier),
            "max_options_trading_level": 0,
            "pdt_check": "entry",
            "ptp_no_exception_entry": account.takes_ptp,
            "disable_overnight_trading": False,
        }
    )


def phase_of(clock: Clock, market: str) -> str:
    """Return the phase of the exchange, or of the venue that trades between its late and its early session."""
    if market == "BOATS":
        return "core" if clock.is_overnight() else "closed"
    if clock.is_open():
        return "core"
    return clock.extended_phase()


def _until(clock: Clock, now: datetime) -> datetime:
    """Return when something changes next; at the latest in an hour, for phases are made of hours and halves."""
    return min(clock.next_open(), clock.next_close(), now + timedelta(hours=1))
