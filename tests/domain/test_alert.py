"""Which deliveries are the same event."""

from decimal import Decimal

import pytest

from domain.alert import Alert, body_hash, repeat_key
from domain.enums import Side

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


def test_an_id_is_the_key_whatever_else_the_alert_says():
    key = repeat_key(make_alert(signal_id="once"))
    assert repeat_key(make_alert(signal_id="once", body_sha256="another")) == key
    assert not key.weak


def test_ids_of_any_length_have_keys_of_their_own():
    ids = ["a", "A", "a ", "x" * 120, "x" * 121, "x" * 4000, "x" * 4000 + "y", "🌷" * 128]
    keys = {repeat_key(make_alert(signal_id=signal_id)).key for signal_id in ids}
    assert len(keys) == len(ids)
    assert max(len(key) for key in keys) <= 160


def test_an_id_cannot_pose_as_a_body_or_as_a_longer_id():
    weak = repeat_key(make_alert()).key
    assert not repeat_key(make_alert(signal_id=weak)).key.startswith(weak)
    long = repeat_key(make_alert(signal_id="x" * 4000)).key
    assert repeat_key(make_alert(signal_id=long)).key != long
    assert repeat_key(make_alert(signal_id=long.removeprefix("sha256:"))).key != long


def test_without_an_id_the_key_is_the_body():
    key = repeat_key(make_alert())
    assert key.weak
    assert repeat_key(make_alert(quantity=Decimal(7))) == key
    assert repeat_key(make_alert(body_sha256="another")) != key
    assert len(key.key) + 20 <= 160  # room for its ending
