"""A stock's own limits hold for it as a leg of a pair: a buy of 10 AAA against 20 BBB."""

from decimal import Decimal

import pytest

from domain.checks.facts import Money, PlannedLeg
from domain.checks.leg_limits import findings_of_legs
from domain.checks.rules import Subject
from domain.checks.run import run_checks
from domain.enums import Scope, Side, TickerType
from tests.domain.checks_support import OFF, PAIR, REFUSE, WARN, held, pair, quote, rule, rules, single

D = Decimal
ACCOUNT, OF_PAIR = (Scope.ACCOUNT, "paper"), (Scope.PAIR, "AAA-BBB")
QUOTES = {**quote("AAA", "99", "101"), **quote("BBB", "49", "51")}


def stock(symbol):
    return (Scope.STOCK, symbol)


def found(check, facts, *rows):
    """Return (ok, leg, limit_of) of each leg whose stock has a limit."""
    findings = findings_of_legs(check, facts, rules(*rows))
    return [(finding.ok, finding.values["leg"], finding.values.get("limit_of")) for finding, _ in findings]


@pytest.mark.parametrize(
    ("check", "symbol", "limit", "ok"),
    [
        ("max_quantity", "AAA", 10, True),
        ("max_quantity", "AAA", "9.9", False),
        ("max_quantity", "BBB", 20, True),
        ("max_quantity", "BBB", 19, False),
        ("max_notional", "AAA", 1000, True),  # 10 at 100
        ("max_notional", "AAA", 999, False),
        ("max_notional", "BBB", 1000, True),  # 20 at 50
        ("max_notional", "BBB", 999, False),
        ("orders_per_minute", "AAA", 4, True),  # three before, in whichever book, and this one
        ("orders_per_minute", "AAA", 3, False),
        ("orders_per_minute", "BBB", 1, True),
        ("orders_per_minute", "BBB", 0, False),
        ("funds_floor", "BBB", 3000, True),  # 5000 less 2000 for both legs
        ("funds_floor", "BBB", 3001, False),
    ],
)
def test_a_stock_s_limit_is_held_against_its_leg(check, symbol, limit, ok):
    facts = pair(quotes=QUOTES, money=Money(D(5000), D(5000)), orders_of_stocks={"AAA": 3})
    assert found(check, facts, rule(check, limit=limit, at=stock(symbol))) == [(ok, symbol, f"stock {symbol}")]


def test_each_leg_has_its_own_limit_and_the_trace_names_leg_and_limit():
    rows = [rule("max_quantity", limit=limit, at=stock(symbol)) for symbol, limit in (("AAA", 50), ("BBB", 15))]
    outcome = run_checks(pair(), rules(*rows))
    assert outcome.refusal == (
        "canceled", "too large", "The leg BBB is 20 shares; 15 are allowed by stock BBB."
    )  # fmt: skip
    first, second = (step for step in outcome.steps if step["check"] == "max quantity")
    assert (first["ok"], first["values"]["leg"], first["values"]["limit_of"]) == (True, "AAA", "stock AAA")
    assert (second["ok"], second["values"]) == (
        False,
        {"quantity": "20", "limit": "15", "limit_of": "stock BBB", "leg": "BBB"},
    )


def test_the_limits_of_the_pair_and_of_its_stocks_hold_side_by_side():
    generous = rule("max_quantity", limit=1000, at=OF_PAIR)
    outcome = run_checks(pair(), rules(generous, rule("max_quantity", limit=5, at=stock("AAA"))))
    assert outcome.refusal.text == "The leg AAA is 10 shares; 5 are allowed by stock AAA."
    strict = rule("max_quantity", limit=1, at=OF_PAIR)
    outcome = run_checks(pair(), rules(strict, rule("max_quantity", limit=50, at=stock("AAA"))))
    assert outcome.refusal.text == "The entry is 10 AAA; 1 are allowed by pair AAA-BBB."


def test_a_pair_cannot_switch_off_what_its_stock_has_set():
    rows = [rule("max_quantity", mode=OFF, at=OF_PAIR), rule("max_quantity", limit=5, at=stock("AAA"))]
    assert run_checks(pair(), rules(*rows)).refusal.reason == "too large"


@pytest.mark.parametrize(
    ("rows", "mode"),
    [
        ([rule("max_quantity", limit=5, mode=WARN, at=stock("AAA"))], WARN),
        ([rule("max_quantity", limit=5, at=stock("AAA")), rule("max_quantity", mode=WARN, at=ACCOUNT)], WARN),
        ([rule("max_quantity", limit=5, at=stock("AAA")), rule("max_quantity", mode=WARN, at=OF_PAIR)], REFUSE),
    ],
)
def test_what_a_failed_leg_does_is_said_by_the_rules_of_its_stock(rows, mode):
    ((finding, found_mode),) = findings_of_legs("max_quantity", pair(), rules(*rows))
    assert (finding.ok, found_mode) == (False, mode)
    assert (run_checks(pair(), rules(*rows)).refusal is None) == (mode is WARN)


def test_a_limit_that_is_off_or_of_another_stock_is_none():
    rows = [
        rule("max_quantity", limit=5, mode=OFF, at=stock("AAA")),
        rule("max_quantity", limit=5, at=stock("CCC")),
        rule("max_quantity", mode=WARN, at=stock("BBB")),
    ]
    assert found("max_quantity", pair(), *rows) == []


def test_an_exit_a_single_and_a_leg_that_is_not_traded_are_left_alone():
    limit = rule("max_quantity", limit=1, at=stock("AAA"))
    exit_of_pair = pair(side=Side.SELL, books=(held("AAA", "10", name="AAA-BBB"), held("BBB", "-20", name="AAA-BBB")))
    assert found("max_quantity", exit_of_pair, limit) == []
    assert found("max_quantity", single(), limit) == []  # its own limit is that of the check itself
    only_bbb = pair(legs=(PlannedLeg("BBB", Side.SELL, D(20)),))
    assert found("max_quantity", only_bbb, limit) == []


def test_without_a_price_a_leg_is_refused_where_its_stock_is_strict():
    lenient = rule("max_notional", limit=1, at=stock("AAA"))
    ((finding, _),) = findings_of_legs("max_notional", pair(quotes=quote("BBB", "1", "1")), rules(lenient))
    assert (finding.ok, finding.text) == (None, "No price of AAA is known.")
    strict = rule("max_notional", limit=1, choice="strict", at=stock("AAA"))
    ((finding, _),) = findings_of_legs("max_notional", pair(), rules(strict))
    assert finding.ok is False


@pytest.mark.parametrize("check", ["daily_loss", "price_deviation", "slippage_guard"])
def test_limits_that_say_nothing_of_a_leg_alone_are_not_held_against_it(check):
    assert found(check, pair(), rule(check, limit=1, at=stock("AAA"))) == []


def test_a_check_is_on_for_a_pair_when_only_a_stock_of_it_has_a_limit():
    known = rules(rule("max_notional", limit=5, at=stock("BBB")))
    assert known.is_on("max_notional", PAIR)
    for other in (Subject("paper", "AAA-CCC", TickerType.PAIR), Subject("paper", "AAA", TickerType.SINGLE), Subject()):
        assert not known.is_on("max_notional", other)
    assert not rules(rule("max_notional", limit=5, mode=OFF, at=stock("BBB"))).is_on("max_notional", PAIR)
    assert not rules(rule("daily_loss", limit=5, at=stock("BBB"))).is_on("daily_loss", PAIR)
    coins = Subject("paper", "BTC-USD-ETH-USD", TickerType.PAIR)
    assert rules(rule("max_notional", limit=5, at=stock("ETH-USD"))).is_on("max_notional", coins)
