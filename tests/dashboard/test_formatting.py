"""Numbers, times and spans as pages write them."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from dashboard.formatting import held, moment, number, sign_look, signed, span


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (None, 4, ""),
        ("0", 0, "0"),
        ("100", 0, "100"),
        ("100", 2, "100.00"),
        ("-2", 4, "-2.0000"),
        ("25000", 0, "25,000"),
        ("97123.45", 4, "97,123.4500"),
        ("0.01234567", 4, "0.01234567"),
        ("1E+3", 0, "1,000"),
        ("-0.00000001", 2, "-0.00000001"),
    ],
)
def test_numbers_are_written_in_full(value, decimals, text):
    assert number(None if value is None else Decimal(value), decimals) == text


@pytest.mark.parametrize(
    ("value", "text", "look"), [("0.168", "+0.168", "better"), ("-0.05", "-0.05", "worse"), ("0", "0.00", "even")]
)
def test_slip_shows_its_sign_and_its_look(value, text, look):
    assert signed(Decimal(value), 2) == text
    assert sign_look(Decimal(value)) == look


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3660, "1 h 1 min"),
        (86400, "1 d 0 h"),
        (200_000, "2 d 7 h"),
    ],
)
def test_spans_have_two_units(seconds, text):
    assert span(seconds) == text


def test_a_time_is_shown_as_short_as_it_is_clear():
    time, now = datetime(2026, 3, 4, 5, 6, 7, 89_999, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC)
    assert moment(time, now).day == "4 Mar"
    assert moment(time, time).day == ""
    assert moment(time, datetime(2027, 1, 1, tzinfo=UTC)).day == "2026-03-04"
    assert moment(time).day == "2026-03-04"
    assert moment(time).clock == "05:06:07"
    assert moment(time).exact == "2026-03-04 05:06:07.089 UTC"
    assert moment(time).iso == "2026-03-04T05:06:07.089999Z"


@pytest.mark.parametrize(
    ("position", "size", "text"),
    [("long", "100", "long 100"), ("flat", "0", "flat"), ("short", None, "short"), (None, None, ""), (None, "5", "5")],
)
def test_positions_are_written_as_traders_say_them(position, size, text):
    assert held(position, None if size is None else Decimal(size)) == text
