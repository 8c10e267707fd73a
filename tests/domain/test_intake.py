"""What becomes of an alert on arrival, and the trace of why."""

from decimal import Decimal

import pytest

from domain.enums import Activity
from domain.intake import Tradable, decide

D = Decimal
INSTRUMENTS = {
    "LNT": Tradable("LNT", Activity.ACTIVE, 1, external=False),
    "OLD": Tradable("OLD", Activity.PASSIVE, 1, external=False),
    "EYE": Tradable("EYE", Activity.WATCH, 2, external=True),
    "BTC-USD": Tradable("BTC-USD", Activity.ACTIVE, 1, external=False),
}
PAIRS = {
    "LNT-FTS": Tradable("LNT-FTS", Activity.ACTIVE, 2, external=True, hedge_ratio=D("1.25")),
    "A-B": Tradable("A-B", Activity.PASSIVE, 1, external=False, hedge_ratio=D(1)),
    "BTC-USD": Tradable("BTC-USD", Activity.ACTIVE, 1, external=False, hedge_ratio=D(1)),
}


def look(ticker):
    return decide(ticker, INSTRUMENTS.get, PAIRS.get)


@pytest.mark.parametrize(
    ("ticker", "status", "reason", "checks"),
    [
        ("NYSE:LNT", "waiting", None, ["ticker", "registered", "active"]),
        ("lnt", "waiting", None, ["ticker", "registered", "active"]),
        ("LNT-1.25*FTS", "waiting", None, ["ticker", "registered", "active", "hedge"]),
        ("LNT-1.2500*FTS", "waiting", None, ["ticker", "registered", "active", "hedge"]),
        ("LNT-FTS", "canceled", "wrong hedge", ["ticker", "registered", "active", "hedge"]),
        ("OLD", "canceled", "passive ticker", ["ticker", "registered", "active"]),
        ("EYE", "canceled", "passive ticker", ["ticker", "registered", "active"]),
        ("A-B", "canceled", "passive ticker", ["ticker", "registered", "active"]),
        ("A-2*B", "canceled", "passive ticker", ["ticker", "registered", "active"]),
        ("NONE", "error", "unknown ticker", ["ticker", "registered"]),
        ("FTS-LNT", "error", "unknown ticker", ["ticker", "registered"]),
        ("LNT+FTS", "error", "problematic ticker!", ["ticker"]),
        ("", "error", "problematic ticker!", ["ticker"]),
        ("\x00", "error", "problematic ticker!", ["ticker"]),
        ("X" * 1000, "error", "problematic ticker!", ["ticker"]),
        ("BTC-USD", "waiting", None, ["ticker", "registered", "active"]),
    ],
)
def test_each_alert_is_decided_and_each_check_is_on_the_trace(ticker, status, reason, checks):
    decision = look(ticker)
    assert (decision.status, decision.reason) == (status, reason)
    assert [step["check"] for step in decision.trace] == checks
    assert [step["ok"] for step in decision.trace] == [True] * (len(checks) - 1) + [reason is None]
    assert all(step["text"].endswith(".") for step in decision.trace)


def test_the_sentence_for_people_begins_with_the_reason():
    decision = look("LNT-FTS")
    assert decision.error_text == "wrong hedge: The alert's hedge ratio 1 differs from the registered 1.25."
    assert decision.trace[-1]["values"] == {"alert": "1", "registered": "1.25"}
    assert look("LNT").error_text is None


def test_the_account_is_that_of_the_stock_or_pair():
    assert (look("LNT").account_id, look("LNT").external) == (1, False)
    assert (look("LNT-1.25*FTS").account_id, look("LNT-1.25*FTS").external) == (2, True)
    assert (look("EYE").account_id, look("EYE").external) == (2, True)
    assert (look("NONE").account_id, look("NONE").external) == (None, False)


def test_the_legs_are_read_from_the_ticker():
    decision = look("NYSE:LNT-NASDAQ:FTS/3")
    assert (decision.ticker_type, decision.name) == ("pair", "LNT-FTS")
    assert (decision.symbol1, decision.symbol2, decision.hedge_ratio) == ("LNT", "FTS", D("0.33333333"))
    single = look("NYSE:LNT")
    assert (single.ticker_type, single.name, single.symbol1, single.symbol2, single.hedge_ratio) == (
        "single",
        "LNT",
        "LNT",
        None,
        None,
    )


def test_a_registered_symbol_with_a_hyphen_is_a_single():
    assert (look("BTC-USD").ticker_type, look("BTC-USD").symbol1) == ("single", "BTC-USD")
