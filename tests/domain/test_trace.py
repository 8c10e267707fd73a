"""What a decision trace says, in words for people."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from domain.enums import Side
from domain.exact import plain_text
from domain.trace import step


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("100.00000000", "100"),
        ("1E+2", "100"),
        ("5E-7", "0.0000005"),
        ("3.0", "3"),
        ("-1.50", "-1.5"),
        ("-0.0", "0"),
        ("0E-8", "0"),
        ("123456789012345678901234.12345678", "123456789012345678901234.12345678"),
    ],
)
def test_a_number_is_written_out_without_exponent_and_trailing_zeros(number, text):
    assert plain_text(Decimal(number)) == text


def test_the_values_of_a_step_are_written_for_people():
    entry = step(
        "sizing", True, "x", held=Decimal("10.00000000"), price=None, side=Side.BUY,
        until=datetime(2026, 3, 2, 14, 30, tzinfo=UTC), rowid=7,
    )  # fmt: skip
    assert entry["values"] == {
        "held": "10", "price": "none", "side": "buy", "until": "2026-03-02 14:30:00 UTC", "rowid": "7",
    }  # fmt: skip
