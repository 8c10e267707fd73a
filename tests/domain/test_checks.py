"""Each check by itself: when it passes, when it fails, and what it says."""

from datetime import timedelta
from decimal import Decimal

import pytest

from domain.checks import alert_rules, limit_rules, market_rules
from domain.checks.facts import BookLine, LastTarget, MeanSlip, Money
from domain.checks.hours import Session
from domain.enums import MarketPosition, Scope, Side, StopLevel, TickerType, WhenClosed
from domain.stops import StopInForce
from tests.domain.checks_support import NOW, held, pair, quote, rule, rules, single

D = Decimal
LONG, SHORT, FLAT = MarketPosition.LONG, MarketPosition.SHORT, MarketPosition.FLAT
EXIT = {"side": Side.SELL, "books": (held("AAA", "10"),)}
PAIR_EXIT = {"side": Side.SELL, "books": (held("AAA", "10", "AAA-BBB"), held("BBB", "-20", "AAA-BBB"))}
QUOTES = {**quote("AAA", "99", "101"), **quote("BBB", "44", "46")}


def stop(scope=Scope.DESK, name=""):
    return (StopInForce(1, StopLevel.ENTRIES, scope, name, "the news", NOW),)


@pytest.mark.parametrize(
    ("facts", "ok"),
    [
        (single(), True),
        (single(stops=stop()), False),
        (single(stops=stop(), **EXIT), True),
        (single(stops=stop(Scope.ACCOUNT, "paper")), False),
        (single(stops=stop(Scope.ACCOUNT, "other")), True),
        (single(stops=stop(Scope.STOCK, "AAA")), False),
        (single(stops=stop(Scope.PAIR, "AAA-BBB")), True),
        (pair(stops=stop(Scope.PAIR, "AAA-BBB")), False),
        (pair(stops=stop(Scope.STOCK, "BBB")), False),  # the leg of a pair
        (pair(stops=stop(Scope.STOCK, "CCC")), True),
        (pair(stops=stop(), **PAIR_EXIT), True),
    ],
)
def test_a_stop_refuses_entries_in_its_scope_and_no_exit(facts, ok):
    assert alert_rules.stop(facts, rules()).ok is ok


def test_a_stop_tells_where_since_when_and_why():
    text = alert_rules.stop(single(stops=stop()), rules()).text
    assert text == "A stop is in force for the whole desk since 2026-11-20 15:00:00 UTC: the news."


@pytest.mark.parametrize(
    ("facts", "ok"),
    [
        (single(), True),
        (single(books=(held("AAA", "10"),)), True),
        (single(books=(held("AAA", "10", "AAA-BBB"),)), False),
        (single(books=(held("AAA", "0", "AAA-BBB"),)), True),
        (single(books=(BookLine("AAA-BBB", "AAA", is_worked=True),)), False),
        (single(side=Side.SELL, books=(held("AAA", "10"), held("AAA", "5", "AAA-BBB"))), True),
        (pair(books=(held("BBB", "-5", "CCC-BBB"),)), False),
        (pair(books=(held("BBB", "-5", "BBB"),)), False),
        (pair(books=(held("BBB", "-5", "AAA-BBB"),)), True),
    ],
)
def test_a_symbol_of_another_book_is_not_opened(facts, ok):
    assert alert_rules.exclusivity(facts, rules()).ok is ok


@pytest.mark.parametrize(
    ("more", "known", "ok"),
    [
        ({"received_at": NOW - timedelta(seconds=120)}, rules(), True),
        ({"received_at": NOW - timedelta(seconds=120.001)}, rules(), False),
        ({"received_at": NOW - timedelta(seconds=31)}, rules(rule("age", limit=30)), False),
        ({"received_at": NOW - timedelta(seconds=31), "lifetime": D(40)}, rules(rule("age", limit=30)), True),
        ({"received_at": NOW - timedelta(seconds=31), "desk_lifetime": D(30)}, rules(), False),
        ({"received_at": NOW - timedelta(hours=15), "held_until": NOW - timedelta(seconds=1)}, rules(), True),
        ({"received_at": NOW - timedelta(hours=15), "held_until": NOW - timedelta(seconds=121)}, rules(), False),
        ({"received_at": NOW + timedelta(seconds=5)}, rules(), True),  # clocks differ
        ({"alert_at": NOW - timedelta(seconds=120)}, rules(), True),
        ({"alert_at": NOW - timedelta(seconds=120.001)}, rules(), False),
        ({"alert_at": NOW - timedelta(hours=10), "lifetime": D(60)}, rules(), False),
        # A time that is ahead makes no alert younger than its receipt.
        ({"alert_at": NOW + timedelta(seconds=50), "received_at": NOW - timedelta(seconds=121)}, rules(), False),
        ({"alert_at": NOW - timedelta(hours=15), "held_until": NOW - timedelta(seconds=1)}, rules(), True),
    ],
)
def test_an_alert_may_be_so_old(more, known, ok):
    assert alert_rules.age(single(**more), known).ok is ok


def test_orders_are_too_late_when_the_signal_is():
    facts = single(received_at=NOW, lifetime=D(10))
    assert alert_rules.not_after(facts, rules()) == NOW + timedelta(seconds=10)
    held_one = single(received_at=NOW, held_until=NOW + timedelta(hours=1))
    assert alert_rules.not_after(held_one, rules()) == NOW + timedelta(hours=1, seconds=120)
    from_rules = rules(rule("age", mode=rule("age").mode, limit=7))
    assert alert_rules.not_after(single(received_at=NOW), from_rules) == NOW + timedelta(seconds=7)
    fired = NOW - timedelta(seconds=20)
    assert alert_rules.not_after(single(received_at=NOW, alert_at=fired), rules()) == fired + timedelta(seconds=120)
    ahead = NOW + timedelta(seconds=20)
    assert alert_rules.not_after(single(received_at=NOW, alert_at=ahead), rules()) == NOW + timedelta(seconds=120)


def test_the_trace_says_by_which_time_an_alert_is_old():
    assert alert_rules.age(single(), rules()).text == "The alert is 1.000 s old; up to 120 s are allowed."
    aged = alert_rules.age(single(alert_at=NOW - timedelta(seconds=125)), rules())
    assert aged.text == "The alert is 125.000 s old by its own time; up to 120 s are allowed."


def test_a_newer_signal_waiting_makes_this_one_a_duplicate():
    assert alert_rules.duplicate(single(), rules()).ok
    finding = alert_rules.duplicate(single(newer_waiting=7), rules())
    assert (finding.ok, finding.text) == (False, "A newer buy of AAA is waiting: signal 7.")


def stated(previous, before, position, after):
    return {
        "previous_position": previous,
        "previous_position_size": before,
        "position": position,
        "position_size": after,
    }


@pytest.mark.parametrize(
    ("side", "positions", "ok"),
    [
        (Side.BUY, stated(FLAT, D(0), LONG, D(10)), True),
        (Side.BUY, stated(SHORT, D(10), FLAT, D(0)), True),
        (Side.BUY, stated(SHORT, D(4), LONG, D(6)), True),
        (Side.SELL, stated(LONG, D(4), SHORT, D(6)), True),
        (Side.SELL, stated(LONG, D(20), LONG, D(10)), True),
        (Side.BUY, stated(FLAT, None, LONG, D(10)), True),  # flat is 0, whatever stands beside it
        (Side.BUY, stated(FLAT, D(0), LONG, D(11)), False),
        (Side.SELL, stated(FLAT, D(0), LONG, D(10)), False),
        (Side.BUY, stated(LONG, None, LONG, D(10)), None),
        (Side.BUY, stated(None, None, None, None), None),
    ],
)
def test_the_positions_must_add_up_with_the_contracts(side, positions, ok):
    assert alert_rules.position_size(single(side=side, **positions), rules()).ok is ok


def test_a_mismatch_is_told_in_numbers():
    finding = alert_rules.position_size(single(**stated(LONG, D(5), LONG, D(10))), rules())
    assert finding.text == "5 and a buy of 10 make 15, but the alert says 10."


@pytest.mark.parametrize(
    ("position", "size", "ok"),
    [(LONG, D(1), True), (FLAT, None, True), (None, D(0), True), (LONG, None, False), (None, D(3), False)],
)
def test_an_alert_without_a_position_is_told_apart(position, size, ok):
    assert alert_rules.position_missing(single(position=position, position_size=size), rules()).ok is ok


@pytest.mark.parametrize(
    ("last", "previous", "ok"),
    [
        (None, D(5), True),
        (LastTarget(3, D(5), NOW), D(5), True),
        (LastTarget(3, D(0), NOW), D(5), False),
        (LastTarget(3, D(-5), NOW), D(5), False),
        (LastTarget(3, None, NOW), D(5), None),
        (LastTarget(3, D(5), NOW), None, None),
    ],
)
def test_a_missed_alert_is_noticed(last, previous, ok):
    facts = single(last=last, **stated(LONG, previous, LONG, D(10)))
    assert alert_rules.missed_alert(facts, rules()).ok is ok


def test_a_missed_alert_is_told_with_how_much_and_since_when():
    facts = single(last=LastTarget(3, D(-2), NOW), **stated(LONG, D(5), LONG, D(15)))
    text = alert_rules.missed_alert(facts, rules()).text
    assert (
        text
        == "The alert starts from 5, but signal 3 led to -2: alerts for 7 were missed since 2026-11-20 15:00:00 UTC."
    )


@pytest.mark.parametrize(
    ("facts", "ok"),
    [
        (single(**stated(LONG, D(10), LONG, D(20))), False),
        (single(side=Side.SELL, **stated(SHORT, D(10), SHORT, D(20))), False),
        (single(side=Side.SELL, **stated(LONG, D(20), LONG, D(10))), True),  # a partial exit
        (single(**stated(SHORT, D(5), LONG, D(5))), True),
        (single(**stated(FLAT, D(0), LONG, D(10))), True),
        (single(), True),
        (single(books=(held("AAA", "1"),)), False),
        (single(books=(BookLine("AAA", "AAA", working=D(1), is_worked=True),)), False),
        (single(books=(held("AAA", "-15"),)), True),
        (single(books=(held("AAA", "1", "AAA-BBB"),)), True),
        (single(books=(held("AAA", "1"),), **stated(FLAT, D(0), LONG, D(10))), True),  # the alert's word goes first
    ],
)
def test_adding_to_a_position_is_pyramiding(facts, ok):
    assert alert_rules.pyramiding(facts, rules()).ok is ok


OPEN = Session(is_open=True, closes_at=NOW + timedelta(hours=6))
CLOSED = Session(is_open=False, opens_at=NOW + timedelta(hours=2))
LATER = Session(is_open=False, opens_at=NOW + timedelta(hours=3))
HOLD = rules(rule("trading_hours", choice="hold"))


@pytest.mark.parametrize(
    ("sessions", "known", "more", "ok", "hold"),
    [
        ({"AAA": OPEN}, rules(), {}, True, None),
        ({"AAA": CLOSED}, rules(), {}, False, None),
        ({"AAA": CLOSED}, HOLD, {}, False, CLOSED.opens_at),
        ({"AAA": CLOSED}, HOLD, {"when_closed": WhenClosed.EXPIRE}, False, None),
        ({"AAA": CLOSED}, rules(), {"when_closed": WhenClosed.HOLD}, False, CLOSED.opens_at),
        ({"AAA": OPEN, "BBB": CLOSED}, HOLD, {}, False, CLOSED.opens_at),
        ({"AAA": LATER, "BBB": CLOSED}, HOLD, {}, False, LATER.opens_at),
        ({"AAA": None}, HOLD, {}, None, None),
        ({"AAA": OPEN, "BBB": None}, HOLD, {}, None, None),
        ({"AAA": CLOSED, "BBB": None}, HOLD, {}, False, CLOSED.opens_at),
        ({}, HOLD, {}, None, None),
        ({"AAA": Session(is_open=False)}, HOLD, {}, False, None),  # it never opens again
    ],
)
def test_a_closed_market_ends_a_signal_or_lets_it_wait(sessions, known, more, ok, hold):
    finding = alert_rules.trading_hours(single(sessions=sessions, **more), known)
    assert (finding.ok, finding.hold_until) == (ok, hold)


ONE_PERCENT = rules(rule("price_deviation", limit=1))
STRICT = rules(rule("price_deviation", limit=1, choice="strict"))


@pytest.mark.parametrize(
    ("facts", "known", "ok"),
    [
        (single(price=D(100), quotes=QUOTES), ONE_PERCENT, True),
        (single(price=D(101), quotes=QUOTES), ONE_PERCENT, True),
        (single(price=D("101.01"), quotes=QUOTES), ONE_PERCENT, False),
        (single(price=D("98.99"), quotes=QUOTES), ONE_PERCENT, False),
        (single(price=D(100)), ONE_PERCENT, None),
        (single(price=D(100)), STRICT, False),
        (single(price=None, quotes=QUOTES), ONE_PERCENT, None),
        (single(price=D(500), quotes=quote("AAA", "99", "101", age=61)), ONE_PERCENT, None),
        (single(price=D(500), quotes=quote("AAA", "99", "101", age=60)), ONE_PERCENT, False),
        # The spread is 100 - 2 * 45 = 10, and 1 % of 100 + 2 * 45 is 1.9.
        (pair(price=D("11.9"), quotes=QUOTES), ONE_PERCENT, True),
        (pair(price=D("11.91"), quotes=QUOTES), ONE_PERCENT, False),
        (pair(price=D("8.09"), quotes=QUOTES), ONE_PERCENT, False),
        (pair(price=D(10), quotes=quote("AAA", "99", "101")), ONE_PERCENT, None),
    ],
)
def test_a_price_far_from_the_market_is_noticed(facts, known, ok):
    assert market_rules.price_deviation(facts, known).ok is ok


SPREAD = rules(rule("spread_limit", limit="0.5"))


@pytest.mark.parametrize(
    ("facts", "known", "ok"),
    [
        # A buy pays 101 and gets 2 * 44: 13. A sale gets 99 and pays 2 * 46: 7.
        (pair(price=D("12.5"), quotes=QUOTES), SPREAD, True),
        (pair(price=D("12.49"), quotes=QUOTES), SPREAD, False),
        (pair(price=D(20), quotes=QUOTES), SPREAD, True),
        (pair(side=Side.SELL, price=D("7.5"), quotes=QUOTES), SPREAD, True),
        (pair(side=Side.SELL, price=D("7.51"), quotes=QUOTES), SPREAD, False),
        (pair(price=D(1)), SPREAD, None),
        (pair(price=D(1)), rules(rule("spread_limit", limit="0.5", choice="strict")), False),
    ],
)
def test_the_spread_that_would_be_traded_may_be_so_much_worse(facts, known, ok):
    assert market_rules.spread_limit(facts, known).ok is ok


def test_a_single_has_no_spread():
    assert market_rules.spread_limit(single(), SPREAD) is None


@pytest.mark.parametrize(
    ("facts", "ok"),
    [
        (single(mean_slip=MeanSlip(D("-0.1"), 20)), True),
        (single(mean_slip=MeanSlip(D("-0.11"), 20)), False),
        (single(mean_slip=MeanSlip(D("0.5"), 20)), True),
        (single(mean_slip=MeanSlip(D(-9), 20), **EXIT), True),
        (single(), None),
    ],
)
def test_bad_fills_of_late_end_the_entries(facts, ok):
    assert market_rules.slippage_guard(facts, rules(rule("slippage_guard", limit="0.1"))).ok is ok


@pytest.mark.parametrize(("facts", "ok"), [(single(), True), (single(quantity=D(11)), False), (pair(), True)])
def test_an_entry_may_be_so_large(facts, ok):
    assert limit_rules.max_quantity(facts, rules(rule("max_quantity", limit=10))).ok is ok


@pytest.mark.parametrize(
    ("facts", "limit", "choice", "ok"),
    [
        (single(price=D(50)), 500, None, True),
        (single(price=D(50)), 499, None, False),
        (single(price=D(1), quotes=QUOTES), 999, None, False),
        (pair(quotes=QUOTES), 1900, None, True),  # 10 * 100 + 20 * 45
        (pair(quotes=QUOTES), 1899, None, False),
        (pair(), 1, None, None),
        (pair(), 1, "strict", False),
        (pair(books=(held("AAA", "1", "AAA-BBB", average_price=D(90)),)), 1, None, None),
        (single(price=None, books=(held("AAA", "1", average_price=D(60)),)), 599, None, False),
        (single(price=None), 1, None, None),
        (single(price=D(50), **EXIT), 1, "strict", True),
    ],
)
def test_an_entry_may_be_worth_so_much(facts, limit, choice, ok):
    assert limit_rules.max_notional(facts, rules(rule("max_notional", limit=limit, choice=choice))).ok is ok


BOOKS = frozenset({("paper", "X"), ("paper", "Y"), ("other", "Z")})
ACCOUNT = (Scope.ACCOUNT, "paper")


@pytest.mark.parametrize(
    ("facts", "rows", "ok", "where"),
    [
        (single(open_books=BOOKS), [rule("open_positions", limit=4)], True, "the desk"),
        (single(open_books=BOOKS), [rule("open_positions", limit=3)], False, "the desk"),
        (single(open_books=BOOKS), [rule("open_positions", limit=3, at=ACCOUNT)], True, "account paper"),
        (single(open_books=BOOKS), [rule("open_positions", limit=2, at=ACCOUNT)], False, "account paper"),
        (
            single(open_books=BOOKS),
            [rule("open_positions", limit=3, at=ACCOUNT), rule("open_positions", limit=3)],
            False,
            "the desk",
        ),
        (single(open_books=BOOKS | {("paper", "AAA")}), [rule("open_positions", limit=1)], True, None),
        (single(open_books=BOOKS, **EXIT), [rule("open_positions", limit=0)], True, None),
    ],
)
def test_so_many_books_are_open_and_the_trace_says_whose_limit_it_was(facts, rows, ok, where):
    finding = limit_rules.open_positions(facts, rules(*rows))
    assert (finding.ok, finding.values.get("limit_of")) == (ok, where)


RESULTS = {Scope.DESK: {"USD": D(-100)}, Scope.ACCOUNT: {"USD": D(-60)}, Scope.STOCK: {"USD": D(5)}}


@pytest.mark.parametrize(
    ("rows", "ok", "where"),
    [
        ([rule("daily_loss", limit=100)], False, "the desk"),
        ([rule("daily_loss", limit="100.01")], True, "the desk"),
        ([rule("daily_loss", limit=61, at=ACCOUNT)], True, "account paper"),
        ([rule("daily_loss", limit=61, at=ACCOUNT), rule("daily_loss", limit=90)], False, "the desk"),
        ([rule("daily_loss", limit=1, at=(Scope.STOCK, "AAA"))], True, "stock AAA"),
    ],
)
def test_a_day_s_loss_ends_the_entries(rows, ok, where):
    finding = limit_rules.daily_loss(single(results=RESULTS), rules(*rows))
    assert (finding.ok, finding.values["limit_of"]) == (ok, where)
    assert limit_rules.daily_loss(single(results=RESULTS, **EXIT), rules(*rows)).ok


MIXED = {
    Scope.DESK: {"USD": D(-60), "EUR": D(-70), "JPY": D(500)},
    Scope.ACCOUNT: {"USD": D(-60), "EUR": D(-70)},
    Scope.STOCK: {"EUR": D(-70)},
}


@pytest.mark.parametrize(
    ("row", "currency", "ok", "loss"),
    [
        (rule("daily_loss", limit=100), "USD", True, "70"),  # 130 were never lost of any money
        (rule("daily_loss", limit=70), "USD", False, "70"),
        (rule("daily_loss", limit=65, at=ACCOUNT), "USD", True, "60"),
        (rule("daily_loss", limit=65, at=ACCOUNT), "EUR", False, "70"),
        (rule("daily_loss", limit=65, at=ACCOUNT), None, False, "70"),  # what the account counts in is not known
        (rule("daily_loss", limit=10, at=ACCOUNT), "CHF", True, "0"),
        (rule("daily_loss", limit=70, at=(Scope.STOCK, "AAA")), "USD", False, "70"),
    ],
)
def test_losses_in_two_currencies_are_never_added_up(row, currency, ok, loss):
    finding = limit_rules.daily_loss(single(results=MIXED, account_currency=currency), rules(row))
    assert (finding.ok, finding.values["loss"]) == (ok, loss)


def test_the_trace_names_the_currency_that_reached_the_limit_and_those_that_do_not_count():
    finding = limit_rules.daily_loss(single(results=MIXED), rules(rule("daily_loss", limit=70)))
    assert finding.values["currency"] == "EUR"
    assert finding.text == (
        "Today the desk has lost 70 EUR, has lost 60 USD, has earned 500 JPY; "
        "a loss of 70 in any one currency ends the day's entries."
    )
    own = limit_rules.daily_loss(
        single(results=MIXED, account_currency="USD"), rules(rule("daily_loss", limit=70, at=ACCOUNT))
    )
    assert (own.values["currency"], own.values["result in EUR"]) == ("USD", "-70")
    assert own.text == (
        "Today account paper has lost 60 USD; a loss of 70 ends the day's entries. "
        "Results in other currencies than the account's do not count: -70 EUR."
    )


def test_a_loss_whose_currency_is_not_known_counts_in_any_case():
    facts = single(results={Scope.ACCOUNT: {"": D(-70)}}, account_currency="USD")
    finding = limit_rules.daily_loss(facts, rules(rule("daily_loss", limit=70, at=ACCOUNT)))
    assert (finding.ok, "currency" in finding.values) == (False, False)


def test_orders_of_a_minute_are_counted_with_those_to_come():
    facts = pair(orders_in_minute={Scope.DESK: 8, Scope.PAIR: 3})
    assert limit_rules.orders_per_minute(facts, rules(rule("orders_per_minute", limit=10))).ok
    assert not limit_rules.orders_per_minute(facts, rules(rule("orders_per_minute", limit=9))).ok
    own = rule("orders_per_minute", limit=4, at=(Scope.PAIR, "AAA-BBB"))
    assert limit_rules.orders_per_minute(facts, rules(own)).values == {
        "count": D(5),
        "limit": D(4),
        "limit_of": "pair AAA-BBB",
    }


MONEY = Money(cash=D(1000), buying_power=D(2000))


@pytest.mark.parametrize(
    ("facts", "limit", "choice", "ok"),
    [
        (single(money=MONEY), 1500, None, True),
        (single(money=MONEY), 1501, None, False),
        (single(money=MONEY, side=Side.SELL), 1501, None, False),  # a short sale takes buying power too
        (single(money=MONEY), 500, "cash", True),
        (single(money=MONEY), 501, "cash", False),
        (single(money=MONEY, side=Side.SELL), 1500, "cash", True),
        (single(), 1, None, None),
        (single(), 1, "strict", False),
        (single(money=Money(None, None)), 1, None, None),
        (single(money=MONEY, price=None), 1, None, None),
        (single(money=MONEY, **EXIT), 10**6, None, True),
    ],
)
def test_so_much_money_is_left_after_an_entry(facts, limit, choice, ok):
    assert limit_rules.funds_floor(facts, rules(rule("funds_floor", limit=limit, choice=choice))).ok is ok


@pytest.mark.parametrize("kind", TickerType)
def test_without_a_limit_the_limits_say_nothing(kind):
    facts = single() if kind is TickerType.SINGLE else pair()
    checks = (
        limit_rules.max_quantity,
        limit_rules.max_notional,
        limit_rules.open_positions,
        limit_rules.daily_loss,
        limit_rules.orders_per_minute,
        limit_rules.funds_floor,
        market_rules.price_deviation,
        market_rules.spread_limit,
        market_rules.slippage_guard,
    )
    assert [check(facts, rules()) for check in checks] == [None] * len(checks)
