"""Whatever a body holds: no answer is a 5xx, and what is refused changes no table."""

import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.factories import PASSPHRASE, count_rows, exact, log_in, make_pair, make_stock, store_alert
from tests.support.keyed_broker import OTHER_KEYS, PAPER_KEYS, add

EXAMPLES = int(os.environ.get("BODY_EXAMPLES", "20"))  # of each route

BASES = {
    "POST /v3/webhook": {
        "passphrase": PASSPHRASE, "ticker": "LNT", "order_action": "buy", "order_contracts": 100, "order_price": 1.5, "mar_pos": "long",
        "mar_pos_size": 1, "pre_mar_pos": "flat", "pre_mar_pos_size": 0, "order_comment": "x", "order_status": "waiting",
        "timestamp": "2025-11-20 14:30:00", "signal_id": "1", "bar_time": "1", "strategy": "s",
        "lifetime": 60, "when_closed": "hold",
    },
    "PUT /v3/webhook": {
        "passphrase": PASSPHRASE, "rowid": 1, "order_status": "created", "order_id1": 1, "order_id2": 2, "stk_price1": 1, "stk_price2": 2,
        "error_msg": "", "ticker": "MA-3*V", "timestamp": "2025-11-20 14:30:00",
    },
    "PUT /v3/signal/updateorder": {
        "passphrase": PASSPHRASE, "order_id": 1, "stk_price": 1, "cancel": False, "partial": False, "order_contracts": 0,
    },
    "POST /v4/webhook": {
        "passphrase": PASSPHRASE, "ticker": "V", "order_action": "buy", "order_contracts": 100, "mar_pos": "long", "mar_pos_size": 1,
        "bypass_ticker_status": True, "status_msg": "created due to sync",
    },
    "PUT /v4/webhook": {
        "passphrase": PASSPHRASE, "rowid": 1, "order_status": ["created"], "order_id1": 1, "order_id2": 2, "price1": 1, "price2": 2,
        "error_msg": "", "status_msg": "+synced(100->-5)", "order_contracts": 5, "ticker": "MA-3*V", "timestamp": "2025-11-20 14:30:00",
    },
    "PUT /v4/signal/updateorder": {
        "passphrase": PASSPHRASE, "order_id": 1, "symbol": "MA", "price": 1, "filled_qty": 1, "cancel": False, "partial": False,
        "order_contracts": 0,
    },
    "PUT /v4/ticker/updatepnl": {"passphrase": PASSPHRASE, "symbol": "LNT", "active_pos": 1, "active_cost": 1, "active_pnl": 1},
    "POST /v4/regpnl": {"passphrase": PASSPHRASE, "timestamp": "2025-11-20 14:30:00", "NetLiquidation": 1, "DailyPnL": -1},
    "PUT /v4/regpnl": {"passphrase": PASSPHRASE, "rowid": 1, "NetLiquidation": 1, "DailyPnL": -1},
    "POST /v4/regticker": {
        "symbol": "X", "sectype": "STK", "xch": "SMART", "prixch": "NYSE", "currency": "USD", "order_type": "MARKET", "active": 0,
    },
    "PUT /v4/regticker": {"symbol": "LNT", "xch": "SMART", "active": 1},
    "POST /v3/login": {"username": "admin", "password": "a wrong password", "expire": 10},
    "POST /v3/regstock": {
        "symbol": "X", "prixch": "SMART", "secxch": "ISLAND", "active": 0, "sectype": "STK", "currency": "USD", "order_type": "MARKET",
        "time_in_force": "DAY", "extended_hours": False, "account": None,
    },
    "PUT /v3/regstock": {"symbol": "LNT", "active": 1},
    "POST /v3/regpair": {"ticker1": "X", "ticker2": "Y", "hedge": 1, "status": 0, "notes": "", "name": "X-Y", "contracts": 1},
    "PUT /v3/regpair": {"ticker1": "MA", "ticker2": "V", "hedge": 1, "status": 0},
    "PUT /v3/checks": {"check": "max_notional", "scope": "stock", "name": "LNT", "mode": "warn", "limit": 1, "choice": "strict"},
    "POST /v3/broker/accounts": {
        "name": "anna", "broker": "alpaca", "environment": "paper", "key_id": PAPER_KEYS["key_id"], "secret_key": PAPER_KEYS["secret_key"],
    },
    "PUT /v3/broker/account/bert/keys": {"key_id": OTHER_KEYS["key_id"], "secret_key": OTHER_KEYS["secret_key"]},
    "PUT /v3/broker/account/bert/live": {"on": True, "reason": "x"},
    "POST /v3/accounts/signup": {
        "name": "Ada", "email": "ada@example.com", "password": "a long password", "contact": {"city": "Rome", "country": "ITA"},
        "identity": {"tax_id": "123-45-6789", "date_of_birth": "1990-12-10", "funding_source": ["savings"]},
        "disclosures": {"is_control_person": False}, "agreements": [{"agreement": "customer_agreement"}],
    },
    "POST /v3/reguser": {"username": "u", "password": "a long password", "role": "user"},
    "PUT /v3/reguser": {"username": "u", "password": "a long password", "role": "user"},
}  # fmt: skip

HOSTILE = st.sampled_from([
    "", " ", "\x00", "\ud800", "NaN", "-1", "0", "1e400", "1e-400", "9" * 64, "0." + "0" * 60 + "1", "٣", "A-B", "A-B*0", "*", "A" * 129,
    "x" * 600, "2026-11-20 14:30:00.123456", "9999-12-31T23:59:59-23:59", "0001-01-01", "null", "true", "🌷", "\u202e", "%", "'",
])  # fmt: skip
NUMBERS = st.one_of(st.integers(), st.integers(-(10**70), 10**70), st.floats(allow_nan=False, allow_infinity=False))
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=20), HOSTILE)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def bodies(base):
    """A valid body of which some fields are replaced; now and then anything at all."""
    changed = st.dictionaries(st.sampled_from([*base, "rowid", "slip", "extra"]), VALUES, max_size=3)
    return st.one_of(
        changed.map(lambda fields: {**base, **fields}), changed.map(lambda fields: {**base, **fields}), VALUES
    )


@pytest.mark.parametrize("route", BASES)
def test_no_body_breaks_anything(app, client, front_door, route):
    with app.app_context():
        add("bert", keys=OTHER_KEYS)
    make_stock(app, "LNT", account="external")
    make_pair(app, "MA-V", "3", account="external")
    rowid = store_alert(client, ticker="MA-3*V")
    if route == "PUT /v4/signal/updateorder":
        sent = {"passphrase": PASSPHRASE, "rowid": rowid, "order_status": "created", "order_id1": 1, "order_id2": 2}
        assert client.put("/v4/webhook", json=sent).status_code == 200
    headers = log_in(client)["headers"]
    verb, _, path = route.partition(" ")

    known = None

    @settings(
        max_examples=EXAMPLES,
        derandomize=EXAMPLES < 50,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(bodies(BASES[route]))
    def run(body):
        nonlocal known
        before = known or count_rows(app, "counters", "rate_limits")
        response = client.open(path, method=verb, data=json.dumps(body), headers=headers)
        assert response.status_code < 500, response.text
        exact(response)
        known = None
        if response.status_code >= 400:
            known = count_rows(app, "counters", "rate_limits")
            assert known == before

    run()
