"""What an alert says of its own order: which kind it makes, what money comes to, and where neither is used."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.alert import OwnTerms
from domain.enums import CheckMode, OrderType, Side, TimeInForce
from domain.lanes.values import Kind
from domain.messages import QuoteReport, Trail
from domain.order_status import SignalStatus
from domain.planning.plan import plan
from domain.planning.values import InstrumentTerms, Outcome, Planned, Refused
from tests.domain.checks_support import NOW
from tests.domain.planning.plan_support import PAIR, choice, mode, planned, request, situation

D, K = Decimal, OrderType
AT_LIMIT = InstrumentTerms("AAA", order_type=K.LIMIT, time_in_force=TimeInForce.GTC)


def own(**terms: Any) -> OwnTerms:
    return OwnTerms(**{name: D(value) for name, value in terms.items()})


def texts(outcome: Outcome) -> str:
    assert isinstance(outcome, Planned | Refused)
    return " | ".join(step["text"] for step in outcome.steps)


def legs(outcome: Outcome) -> Planned:
    assert isinstance(outcome, Planned), outcome
    return outcome


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ({}, (K.MARKET, None, None, None)),
        ({"limit_price": "49"}, (K.LIMIT, D(49), None, None)),
        ({"stop_price": "51"}, (K.STOP, None, D(51), None)),
        ({"limit_price": "52", "stop_price": "51"}, (K.STOP_LIMIT, D(52), D(51), None)),
        ({"trail_percent": "2"}, (K.TRAILING_STOP, None, None, Trail(percent=D(2)))),
        ({"trail_price": "1.5"}, (K.TRAILING_STOP, None, None, Trail(price=D("1.5")))),
    ],
    ids=str,
)
def test_the_alerts_prices_make_the_kind_of_an_entry(terms: dict[str, str], expected: tuple[Any, ...]):
    (leg,) = legs(planned(request(own_terms=own(**terms)))).legs
    made = leg.terms
    assert (made.order_type, made.limit_price, made.stop_price, made.trail) == expected


def test_they_go_over_the_registered_kind_and_leave_its_time_in_force():
    asked = request(own_terms=own(stop_price=51))
    context = situation(asked)
    context = type(context)(**{**{f: getattr(context, f) for f in context.__slots__}, "instruments": {"AAA": AT_LIMIT}})
    (leg,) = legs(plan(asked, context)).legs
    assert (leg.terms.order_type, leg.terms.stop_price, leg.terms.limit_price) == (K.STOP, 51, None)
    assert leg.terms.time_in_force is TimeInForce.GTC


@pytest.mark.parametrize(
    "name", ["limit_price", "stop_price", "trail_percent", "trail_price", "take_profit", "stop_loss"]
)
def test_an_exit_goes_as_registered_and_says_what_it_did_not_use(name: str):
    outcome = legs(planned(request(Side.SELL, 10, 0, own_terms=own(**{name: 40})), [10]))
    assert (outcome.kind, outcome.legs[0].quantity, outcome.legs[0].terms.order_type) == (Kind.EXIT, 10, K.MARKET)
    assert f"{name}: for what opens a position" in texts(outcome)


@pytest.mark.parametrize("names", [["take_profit"], ["stop_loss"], ["take_profit", "stop_loss"]])
def test_what_would_close_at_the_broker_is_refused_by_name(names: list[str]):
    outcome = planned(request(own_terms=own(**dict.fromkeys(names, 60))))
    assert isinstance(outcome, Refused)
    assert (outcome.status, outcome.reason) == (SignalStatus.ERROR, names[0])
    assert all(name in outcome.text for name in names)
    assert "Nothing is opened" in outcome.text


def test_a_reversal_with_them_closes_and_opens_nothing():
    outcome = legs(planned(request(Side.SELL, 20, -10, own_terms=own(stop_loss=60)), [10]))
    assert [(leg.quantity, leg.is_exit) for leg in outcome.legs] == [(10, True)]
    assert "stop_loss cannot be kept" in str(outcome.left_out)


@pytest.mark.parametrize("name", ["limit_price", "stop_loss", "trail_percent", "notional"])
def test_an_entry_of_a_pair_is_refused_and_its_exit_closes_all_the_same(name: str):
    entry = planned(request(symbols=PAIR, own_terms=own(**{name: 40})), [0, 0])
    assert isinstance(entry, Refused)
    assert (entry.reason, f"{name}: for single stocks" in entry.text) == (name, True)
    out = legs(planned(request(Side.SELL, 10, 0, symbols=PAIR, own_terms=own(**{name: 40})), [10, -20]))
    assert [(leg.quantity, leg.terms.order_type) for leg in out.legs] == [(10, K.MARKET), (20, K.MARKET)]


@pytest.mark.parametrize(
    ("terms", "venue", "reason"),
    [
        ({"trail_percent": 2}, {"order_kinds": {K.MARKET: frozenset(TimeInForce)}}, "order type"),
        ({"stop_price": 51}, {"order_kinds": {K.STOP: frozenset({TimeInForce.GTC})}}, "time in force"),
        ({"trail_price": 50}, {}, None),
    ],
)
def test_what_the_venue_does_not_take_is_refused_by_name(
    terms: dict[str, Any], venue: dict[str, Any], reason: str | None
):
    outcome = planned(request(own_terms=own(**terms)), **venue)
    assert (outcome.reason if isinstance(outcome, Refused) else None) == reason
    assert reason is None or "as the alert asks for" in texts(outcome)


def test_a_trail_that_is_wider_than_the_price_is_refused():
    outcome = planned(request(Side.SELL, own_terms=own(trail_price=50)))
    assert isinstance(outcome, Refused)
    assert outcome.reason == "trail price"


QUOTE = {"quotes": {"AAA": QuoteReport(symbol="AAA", bid=D(39), ask=D(40), at=NOW, source="test")}}


@pytest.mark.parametrize(
    ("terms", "price", "side", "quantity", "whose"),
    [
        ({}, "50", Side.BUY, 20, "the alert's price"),
        ({"limit_price": 48}, "50", Side.BUY, 20, "the alert's limit"),
        ({"stop_price": 55}, "50", Side.BUY, 18, "the alert's stop"),
        ({}, None, Side.BUY, 25, "the quote"),
        ({}, None, Side.SELL, 25, "the quote"),
        ({}, "-1", Side.BUY, 25, "the quote"),
    ],
    ids=str,
)
def test_money_becomes_a_quantity(terms: dict[str, Any], price: str | None, side: Side, quantity: int, whose: str):
    asked = request(side, 7, own_terms=own(notional=1000, **terms), price=None if price is None else D(price))
    outcome = legs(planned(asked, **QUOTE))
    assert outcome.legs[0].quantity == quantity
    assert whose in texts(outcome)


@pytest.mark.parametrize(("money", "venue"), [(49, {}), (1000, {"price": None})])
def test_money_that_comes_to_nothing_is_refused(money: int, venue: dict[str, Any]):
    outcome = planned(request(own_terms=own(notional=money), **venue))
    assert isinstance(outcome, Refused)
    assert (outcome.status, outcome.reason) == (SignalStatus.ERROR, "notional")


def test_the_strategys_own_size_does_not_cut_what_money_buys():
    outcome = legs(planned(request(Side.BUY, 7, 7, own_terms=own(notional=1000), previous=D(0)), [0]))
    assert outcome.legs[0].quantity == 20
    more = legs(planned(request(Side.BUY, 7, 14, own_terms=own(notional=1000), previous=D(7)), [20]))
    assert (more.kind, more.legs[0].quantity) == (Kind.ENTRY, 20)


def test_a_reversal_closes_what_is_held_and_opens_what_the_money_buys():
    outcome = legs(planned(request(Side.SELL, 14, -7, own_terms=own(notional=1000)), [23]))
    assert (outcome.kind, outcome.legs[0].quantity, outcome.legs[0].closes) == (Kind.REVERSAL, 43, 23)
    poor = legs(planned(request(Side.SELL, 14, -7, own_terms=own(notional=10)), [23]))
    assert (poor.legs[0].quantity, poor.legs[0].is_exit) == (23, True)
    assert "nothing was opened" in str(poor.left_out)


@pytest.mark.parametrize(("bound", "quantity"), [(0, 23), (16, 7)])
def test_an_exit_goes_by_its_own_size(bound: int, quantity: int):
    outcome = legs(planned(request(Side.SELL, 7, bound, own_terms=own(notional=1000)), [23]))
    assert (outcome.kind, outcome.legs[0].quantity) == (Kind.EXIT, quantity)


def test_to_target_the_position_is_worth_the_money():
    rules = [choice("sizing", "target")]
    outcome = legs(planned(request(Side.BUY, 7, 7, own_terms=own(notional=1000)), [5], rules=rules))
    assert outcome.legs[0].quantity == 15


def test_money_without_a_position_may_pass_zero_only_where_exits_are_not_cut():
    rules = [mode("reduce_only", CheckMode.OFF)]
    outcome = legs(planned(request(Side.SELL, 7, own_terms=own(notional=1000)), [5], rules=rules))
    assert (outcome.kind, outcome.legs[0].quantity) == (Kind.REVERSAL, 20)


amounts = st.decimals(D("0.01"), D(10**6), places=2)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(money=amounts, price=amounts, step=st.sampled_from(["1", "0.001", "0.00000001"]), side=st.sampled_from(Side))
def test_what_is_bought_never_costs_more_and_one_step_more_would(money: D, price: D, step: str, side: Side):
    asked = request(side, 1, own_terms=own(notional=money), price=price)
    outcome = planned(asked, quantity_step=D(step))
    quantity = outcome.legs[0].quantity if isinstance(outcome, Planned) else D(0)
    assert quantity % D(step) == 0
    assert quantity * price <= money < (quantity + D(step)) * price
    assert quantity or isinstance(outcome, Refused)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    percent=st.none() | st.decimals(D("0.01"), D("99.99"), places=2),
    money=amounts,
    prices=st.lists(st.decimals(D("0.01"), D(1000), places=2), min_size=1, max_size=8),
    side=st.sampled_from(Side),
)
def test_a_trailing_stop_never_moves_away_from_the_market(percent: D | None, money: D, prices: list[D], side: Side):
    trail = Trail(percent=percent) if percent is not None else Trail(price=money)
    assert trail.is_usable
    best = max if side is Side.SELL else min
    stops = [trail.stop(side, best(prices[: count + 1])) for count in range(len(prices))]
    assert stops == sorted(stops, reverse=side is Side.BUY)
    assert all((best(prices[: n + 1]) - stop) * -side.sign > 0 for n, stop in enumerate(stops))


@pytest.mark.parametrize(
    ("terms", "fields"),
    [
        ({"trail_percent": 100}, {"trail_percent"}),
        ({"trail_percent": 1, "trail_price": 1}, {"trail_price"}),
        ({"trail_percent": 1, "limit_price": 1, "stop_price": 1}, {"limit_price", "stop_price"}),
        ({"limit_price": 1, "stop_price": 1, "take_profit": 2, "stop_loss": 1, "notional": 5}, set()),
    ],
)
def test_what_contradicts_itself_is_named(terms: dict[str, Any], fields: set[str]):
    assert own(**terms).contradictions().keys() == fields


def test_what_is_kept_comes_back():
    said = own(limit_price="1.50", notional="1e3")
    assert said.stored() == {"limit_price": "1.5", "notional": "1000"}
    assert OwnTerms.of(said.stored()) == said
    assert OwnTerms().stored() is None
