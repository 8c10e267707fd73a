"""When markets are open, by their own clocks."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.checks.hours import MARKETS, market_hours
from domain.enums import AssetClass

NEW_YORK = ZoneInfo("America/New_York")


def at(text, zone=NEW_YORK):
    return datetime.fromisoformat(text).replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("now", "is_open", "next_edge"),
    [
        ("2026-11-20 09:29:59", False, "2026-11-20 09:30"),
        ("2026-11-20 09:30", True, "2026-11-20 16:00"),
        ("2026-11-20 15:59:59", True, "2026-11-20 16:00"),
        ("2026-11-20 16:00", False, "2026-11-23 09:30"),  # a Friday
        ("2026-11-26 12:00", False, "2026-11-27 09:30"),  # Thanksgiving
        ("2026-11-27 12:00", True, "2026-11-27 13:00"),  # and the half day after it
        ("2026-11-27 13:00", False, "2026-11-30 09:30"),
        ("2026-12-31 17:00", False, "2027-01-04 09:30"),
        ("2026-07-03 12:00", False, "2026-07-06 09:30"),  # the 4th is a Saturday
        ("2026-03-06 17:00", False, "2026-03-09 09:30"),  # clocks go forward between
        ("2025-01-09 12:00", False, "2025-01-10 09:30"),  # a day of mourning
    ],
)
@pytest.mark.parametrize("exchange", ["NYSE", "nasdaq", "SMART"])
def test_american_stocks(exchange, now, is_open, next_edge):
    session = market_hours(exchange, AssetClass.STOCK, at(now).astimezone(UTC))
    assert session.is_open is is_open
    assert (session.closes_at if is_open else session.opens_at) == at(next_edge)


@pytest.mark.parametrize(
    ("exchange", "zone", "now", "is_open"),
    [
        ("LSE", "Europe/London", "2026-12-24 12:29", True),
        ("LSE", "Europe/London", "2026-12-24 12:30", False),
        ("LSE", "Europe/London", "2026-12-28 12:00", False),  # Boxing Day, as observed
        ("TSX", "America/Toronto", "2026-10-12 12:00", False),  # Canada's Thanksgiving
        ("EBS", "Europe/Zurich", "2026-08-03 17:29", True),
    ],
)
def test_other_exchanges(exchange, zone, now, is_open):
    assert market_hours(exchange, AssetClass.STOCK, at(now, ZoneInfo(zone))).is_open is is_open


@pytest.mark.parametrize(
    ("now", "is_open", "next_edge"),
    [
        ("2026-11-20 16:59", True, "2026-11-20 17:00"),
        ("2026-11-20 17:00", False, "2026-11-22 17:00"),
        ("2026-11-21 12:00", False, "2026-11-22 17:00"),
        ("2026-11-22 16:59", False, "2026-11-22 17:00"),
        ("2026-11-22 17:00", True, "2026-11-27 17:00"),
        ("2026-11-25 03:00", True, "2026-11-27 17:00"),
        ("2026-03-07 12:00", False, "2026-03-08 17:00"),  # clocks go forward that Sunday
    ],
)
def test_currencies_trade_from_sunday_to_friday_evening_in_new_york(now, is_open, next_edge):
    session = market_hours("IDEALPRO", AssetClass.FX, at(now))
    assert session.is_open is is_open
    assert (session.closes_at if is_open else session.opens_at) == at(next_edge)


def test_coins_never_close_and_unknown_hours_are_not_made_up():
    session = market_hours("PAXOS", AssetClass.CRYPTO, at("2026-12-25 12:00"))
    assert (session.is_open, session.closes_at) == (True, None)
    assert market_hours("NOWHERE", AssetClass.STOCK, at("2026-11-20 12:00")) is None
    assert market_hours("CME", AssetClass.FUTURE, at("2026-11-20 12:00")) is None


MINUTES = st.integers(0, 4 * 365 * 24 * 60)


@given(MINUTES, st.sampled_from(sorted(MARKETS)), st.sampled_from([AssetClass.STOCK, AssetClass.FX]))
def test_a_closed_market_is_open_at_its_next_open_and_an_open_one_closed_at_its_close(minutes, exchange, asset_class):
    now = datetime(2023, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    session = market_hours(exchange, asset_class, now)
    edge = session.closes_at if session.is_open else session.opens_at
    assert now < edge < now + timedelta(days=10)
    assert market_hours(exchange, asset_class, edge).is_open is not session.is_open
