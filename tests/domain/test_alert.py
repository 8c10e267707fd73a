"""Which deliveries are the same event."""

from decimal import Decimal

import pytest

from domain.alert import Alert, body_hash, repeat_key
from domain.enums import Side

MINUTE = 1_700_000_040  # seconds since 1970; divisible by 60
BODY = {"passphrase": "secret", "ticker": "LNT", "order_contracts": 100, "order_price": Decimal("1.5")}


def make_alert(**overrides):
    return Alert(
        **{"ticker": "LNT", "side": Side.BUY, "quantity": Decimal(100), "body_sha256": body_hash(BODY), **overrides}
    )


def test_the_hash_of_a_body_knows_neither_passphrase_nor_order():
    assert body_hash({**BODY, "passphrase": "another"}) == body_hash(BODY)
    assert body_hash(dict(reversed(BODY.items()))) == body_hash(BODY)
    assert body_hash({name: value for name, value in BODY.items() if name != "passphrase"}) == body_hash(BODY)


@pytest.mark.parametrize(
    "change",
    [
        {"order_contracts": 101},
        {"order_price": Decimal("1.6")},
        {"order_price": None},
        {"extra": [1, {"a": None}]},
        {"ticker": "lnt"},
    ],
)
def test_the_hash_of_a_body_knows_everything_else(change):
    assert body_hash({**BODY, **change}) != body_hash(BODY)


def test_an_id_is_the_key_for_ever():
    early, late = (repeat_key(make_alert(signal_id="once"), now) for now in (MINUTE, MINUTE + 1e9))
    assert early == late
    assert early.key == early.previous == early.next
    assert not early.weak
    assert not early.near_edge


def test_ids_of_any_length_have_keys_of_their_own():
    ids = ["a", "A", "a ", "x" * 120, "x" * 121, "x" * 4000, "x" * 4000 + "y", "🌷" * 128]
    keys = {repeat_key(make_alert(signal_id=signal_id), MINUTE).key for signal_id in ids}
    assert len(keys) == len(ids)
    assert max(len(key) for key in keys) <= 160


def test_an_id_cannot_pose_as_a_body_or_as_a_longer_id():
    weak = repeat_key(make_alert(), MINUTE).key
    assert repeat_key(make_alert(signal_id=weak), MINUTE).key != weak
    long = repeat_key(make_alert(signal_id="x" * 4000), MINUTE).key
    assert repeat_key(make_alert(signal_id=long), MINUTE).key != long
    assert repeat_key(make_alert(signal_id=long.removeprefix("sha256:")), MINUTE).key != long


def test_without_an_id_the_key_is_the_body_within_a_minute():
    first, same, later = (repeat_key(make_alert(), now) for now in (MINUTE, MINUTE + 59.9, MINUTE + 60))
    assert first.weak
    assert first.key == same.key != later.key
    assert later.previous == first.key
    assert first.next == later.key
    assert repeat_key(make_alert(body_sha256="another"), MINUTE).key != first.key


def test_the_edges_of_a_minute_are_known():
    near = {second: repeat_key(make_alert(), MINUTE + second).near_edge for second in (0, 4.9, 5, 30, 55, 55.1, 59.9)}
    assert near == {0: True, 4.9: True, 5: False, 30: False, 55: False, 55.1: True, 59.9: True}
