"""What becomes of an alert on arrival, and the trace of why."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from domain.checks.rules import RuleRow, Rules
from domain.enums import Activity, CheckMode, Scope
from domain.intake import Arrival, Terms, Tradable, decide

D = Decimal
NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
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


def look(ticker, *, modes=(), **arrival):
    """Decide; `modes` are pairs of a check and its mode."""
    rules = Rules(RuleRow(Scope.DESK, "", check, mode, None, None) for check, mode in modes)
    return decide(ticker, INSTRUMENTS.get, PAIRS.get, Terms(rules), Arrival(**arrival))


class Lanes:
    """Answers which lanes hold or work something, and keeps which were asked for."""

    def __init__(self, *busy):
        self.busy, self.asked = busy, []

    def __call__(self, account_id, name):
        self.asked.append((account_id, name))
        return (account_id, name) in self.busy


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


@pytest.mark.parametrize(("ticker", "name"), [("OLD", "OLD"), ("A-B", "A-B")])
def test_an_alert_for_a_paused_name_that_holds_something_waits_for_the_worker(ticker, name):
    decision = look(ticker, is_lane_busy=Lanes((1, name)))
    assert (decision.status, decision.reason, decision.error_text) == ("waiting", None, None)
    active = next(step for step in decision.trace if step["check"] == "active")
    assert (active["ok"], active["values"]["outcome"]) == (False, "warning")
    assert active["text"].endswith(
        "passive; it has a position or an open order, so the worker decides whether this alert closes it."
    )


def test_an_alert_for_a_paused_name_that_holds_nothing_is_canceled_at_once():
    decision = look("OLD", is_lane_busy=Lanes((2, "OLD"), (1, "LNT")))
    assert (decision.status, decision.reason) == ("canceled", "passive ticker")


def test_a_paused_name_of_an_outside_executor_is_canceled_at_once():
    lanes = Lanes((2, "EYE"))
    assert look("EYE", is_lane_busy=lanes).reason == "passive ticker"
    assert lanes.asked == []


@pytest.mark.parametrize("ticker", ["LNT", "LNT-1.25*FTS", "NONE", "LNT+FTS"])
def test_only_for_a_paused_name_it_is_asked_what_is_held(ticker):
    lanes = Lanes()
    look(ticker, is_lane_busy=lanes)
    assert lanes.asked == []


def test_a_paused_pair_that_holds_something_must_have_its_hedge_all_the_same():
    assert look("A-2*B", is_lane_busy=Lanes((1, "A-B"))).reason == "wrong hedge"


@pytest.mark.parametrize(
    ("ahead", "reason"),
    [(-86400, None), (0, None), (60, None), (60.001, "alert time in the future"), (86400, "alert time in the future")],
)
def test_an_alert_s_own_time_may_be_a_minute_ahead(ahead, reason):
    decision = look("LNT", alert_at=NOW + timedelta(seconds=ahead), now=NOW)
    assert (decision.status, decision.reason) == ("canceled" if reason else "waiting", reason)
    assert [step["check"] for step in decision.trace if not step["ok"]] == (["age"] if reason else [])


def test_a_time_in_the_future_is_told_with_both_times():
    decision = look("LNT", alert_at=NOW + timedelta(hours=1), now=NOW)
    assert decision.error_text == (
        "alert time in the future: The alert says that it fired at 2026-11-20 16:00:00 UTC, which is still to come."
    )
    assert decision.trace[-1]["values"] == {"alert_time": "2026-11-20 16:00:00 UTC", "now": "2026-11-20 15:00:00 UTC"}


def test_what_is_refused_for_its_ticker_keeps_that_reason_whatever_its_time():
    decision = look("NONE", alert_at=NOW + timedelta(hours=1), now=NOW)
    assert (decision.status, decision.reason) == ("error", "unknown ticker")


@pytest.mark.parametrize("mode", [CheckMode.OFF, CheckMode.WARN])
def test_where_age_does_not_refuse_a_time_in_the_future_does_not_either(mode):
    decision = look("LNT", modes=[("age", mode)], alert_at=NOW + timedelta(hours=1), now=NOW)
    assert decision.status == "waiting"
    assert ("age" in [step["check"] for step in decision.trace]) is (mode is CheckMode.WARN)


def test_times_are_compared_only_where_both_are_known():
    assert look("LNT", alert_at=NOW + timedelta(hours=1)).status == "waiting"
    assert look("LNT", now=NOW).status == "waiting"
