"""What Alpaca refuses is refused before it is sent, each by its name; and no rule of entries keeps an exit from its way."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.alpaca.capabilities import capabilities
from domain.enums import AssetClass, Environment, OrderType, Side, TimeInForce
from domain.exact import EXACT
from domain.messages import AccountReport, AssetReport, QuoteReport, SessionReport
from domain.preflight import preflight
from domain.venue.costs import Costs
from domain.venue.money import costs, unit_value
from domain.venue.order_plans import BrokerFacts, LegOrderPlan
from domain.venue.prices import aligned, is_in_steps
from tests.domain.checks_support import NOW

D = Decimal
BUY, SELL = Side.BUY, Side.SELL
SMALLEST = D("0.00000001")
ACCOUNT = AccountReport(
    account="anna",
    cash=D(1000),
    currency="USD",
    at=NOW,
    buying_power=D(4000),
    equity=D(2000),
    cash_power=D(1000),
    may_short=True,
    coins_blocked="",
)
SHARE = AssetReport(
    symbol="KO",
    tradable=True,
    shortable=True,
    quantity_step=SMALLEST,
    at=NOW,
    short_step=D(1),
    asset_class=AssetClass.STOCK,
    extended_fractions=True,
    overnight=True,
)
COIN = AssetReport(
    symbol="BTCUSD",
    tradable=True,
    shortable=False,
    quantity_step=SMALLEST,
    at=NOW,
    always_open=True,
    asset_class=AssetClass.CRYPTO,
    price_step=D(1),
    least_value=D(10),
    least_quantity=D("0.0001"),
)
OPEN = SessionReport(is_open=True, at=NOW)
NIGHT = SessionReport(is_open=False, at=NOW, is_overnight=True)
QUOTES = {s: QuoteReport(symbol=s, bid=D(99), ask=D(100), at=NOW, source="x") for s in ("KO", "BTCUSD")}
FACTS = BrokerFacts(
    able=capabilities(Environment.PAPER),
    assets={"KO": SHARE, "BTCUSD": COIN, "ODD": None},
    account=ACCOUNT,
    session=OPEN,
    quotes=QUOTES,
)


def leg(symbol: str = "KO", side: Side = BUY, quantity: str = "10", held: str = "0", **more: Any) -> LegOrderPlan:
    kind = more.pop("order_type", OrderType.LIMIT if "limit_price" in more else OrderType.MARKET)
    values = {"order_type": kind, "limit_price": None, "price": D(100) if side is BUY else D(99), **more}
    values |= {name: D(values[name]) for name in ("limit_price", "stop_price") if isinstance(values.get(name), str)}
    return LegOrderPlan(symbol=symbol, side=side, quantity=D(quantity), held=D(held), **values)


def asset(known: AssetReport, **changes: Any) -> BrokerFacts:
    return replace(FACTS, assets={**FACTS.assets, known.symbol: replace(known, **changes)})


def account(**changes: Any) -> BrokerFacts:
    return replace(FACTS, account=replace(ACCOUNT, **changes))


def refusal(order: LegOrderPlan, facts: BrokerFacts = FACTS) -> tuple[str, str] | None:
    return preflight([order], facts, NOW).refusal


NIGHTLY: dict[str, Any] = {"limit_price": "100", "extended_hours": True}
REFUSED: dict[str, tuple[LegOrderPlan, BrokerFacts, str, str]] = {
    "a coin on margin": (leg("BTCUSD", quantity="11"), FACTS, "margin", "BTCUSD cannot be bought on margin: 1100.00 are needed, and the account has 1000.00 of its own."),
    "a coin with money set aside": (leg("BTCUSD", quantity="6"), FACTS.less(Costs(D(500), D(500))), "margin", "has 500.00 of its own"),
    "a coin below ten dollars": (leg("BTCUSD", quantity="0.09"), FACTS, "least value", "0.09 BTCUSD are worth about 9.00; the broker takes orders of at least 10."),
    "a coin in crumbs": (leg("BTCUSD", quantity="0.00001"), FACTS, "least quantity", "less than the broker takes: at least 0.0001"),
    "a coin at a stop": (leg("BTCUSD", order_type=OrderType.STOP, stop_price="100"), FACTS, "order type", "does not take STOP orders"),
    "a coin all or nothing": (leg("BTCUSD", time_in_force=TimeInForce.FOK), FACTS, "time in force", "does not take FOK orders"),
    "a coin at the opening": (leg("BTCUSD", time_in_force=TimeInForce.OPG), FACTS, "time in force", "does not take OPG orders"),
    "a coin between two prices": (leg("BTCUSD", limit_price="100.5"), FACTS, "price step", "The limit price 100.5 of BTCUSD is no multiple of 1."),
    "a coin outside of the session": (leg("BTCUSD", **NIGHTLY), FACTS, "extended hours", "orders outside of the session"),
    "a coin sold short": (leg("BTCUSD", SELL), FACTS, "shortable", "which the broker does not allow"),
    "coins that the account has not signed for": (leg("BTCUSD"), account(coins_blocked="its crypto_status is INACTIVE"), "coins", "its crypto_status is INACTIVE"),
    "a part of a share below a dollar": (leg(quantity="0.009"), FACTS, "least value", "at least 1."),
    "a part of a share that may not at night": (leg(quantity="1.5", **NIGHTLY), asset(SHARE, extended_fractions=False), "extended hours", "1.5 KO are not whole shares, which the broker does not take outside of the session"),
    "a part of a share that lasts": (leg(quantity="1.5", time_in_force=TimeInForce.GTC), FACTS, "time in force", "are not whole shares"),
    "a share that rests at night": (leg(**NIGHTLY), replace(asset(SHARE, overnight=False), session=NIGHT), "overnight", "KO is not traded overnight"),
    "a partnership": (leg(), asset(SHARE, not_bought="a partnership"), "not bought", "KO may not be bought: a partnership."),
    "a short sale that is too dear": (leg(side=SELL, quantity="39"), FACTS, "buying power", "need 4017.00; the account can buy for 4000.00"),
    "a short sale at a high limit": (leg(side=SELL, quantity="32", limit_price="130"), FACTS, "buying power", "need 4160.00"),
    "a short sale of an account that may not": (leg(side=SELL), account(may_short=False), "shortable", "this account at the broker does not allow"),
    "a stop at the close": (leg(order_type=OrderType.STOP, stop_price="100", time_in_force=TimeInForce.CLS), FACTS, "time in force", "does not take CLS STOP orders"),
    "a price of a tenth of a cent": (leg(limit_price="10.001"), FACTS, "price step", "no multiple of 0.01"),
    "a currency": (leg("EURUSD"), replace(FACTS, classes={"EURUSD": AssetClass.FX}), "asset class", "does not trade currencies, so not EURUSD"),
}  # fmt: skip
TAKEN: dict[str, tuple[LegOrderPlan, BrokerFacts]] = {
    "a coin for the account's own money": (leg("BTCUSD", quantity="10"), FACTS),
    "a coin of ten dollars": (leg("BTCUSD", quantity="0.1"), FACTS),
    "a coin at a stop limit": (leg("BTCUSD", quantity="9", order_type=OrderType.STOP_LIMIT, stop_price="101", limit_price="102"), FACTS),
    "a coin against another coin": (leg("BTCUSD", quantity="0.01"), asset(COIN, least_value=D(0))),
    "shares on margin": (leg(quantity="40"), FACTS),
    "a whole share below a dollar": (leg(quantity="1", price=D("0.5"), limit_price="0.5"), FACTS),
    "shares while coins are blocked": (leg(), account(coins_blocked="no")),
    "a part of a share that may at night": (leg(quantity="1.5", **NIGHTLY), FACTS),
    "a share that is traded overnight": (leg(**NIGHTLY), replace(FACTS, session=NIGHT)),
    "a share that waits for the morning": (leg(time_in_force=TimeInForce.GTC), replace(asset(SHARE, overnight=False), session=NIGHT)),
    "a short sale at three percent above the ask": (leg(side=SELL, quantity="38"), FACTS),
    "a partnership sold short": (leg(side=SELL), asset(SHARE, not_bought="a partnership")),
    "a price of a hundredth of a cent": (leg(limit_price="0.1234"), FACTS),
}  # fmt: skip


@pytest.mark.parametrize(("order", "facts", "name", "text"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused_by_name(order: LegOrderPlan, facts: BrokerFacts, name: str, text: str):
    found = refusal(order, facts)
    assert found is not None
    assert found[0] == name
    assert text in found[1]


@pytest.mark.parametrize(("order", "facts"), TAKEN.values(), ids=TAKEN)
def test_it_is_taken(order: LegOrderPlan, facts: BrokerFacts):
    assert refusal(order, facts) is None


WHOLE = st.integers(1, 10**6).map(D)
POSITIVE = st.decimals("0.00000001", "1000000", places=8)
SIDES = st.sampled_from([BUY, SELL])


@given(
    symbol=st.sampled_from(["KO", "BTCUSD"]),
    held=WHOLE,
    data=st.data(),
    poor=st.booleans(),
    night=st.booleans(),
    strict=st.booleans(),
)
def test_no_rule_of_entries_keeps_an_exit_from_its_way(symbol, held, data, poor, night, strict):
    side = SELL if symbol == "BTCUSD" else data.draw(SIDES)
    quantity = data.draw(st.integers(1, int(held)).map(D))
    limits = {"limit_price": D(100), "order_type": OrderType.LIMIT, "extended_hours": True}
    terms = limits if symbol == "KO" and night else {}
    known = {"KO": SHARE, "BTCUSD": COIN}[symbol]
    facts = FACTS
    if strict:
        hard = {
            "not_bought": "no",
            "least_quantity": D(10**9),
            "least_value": D(10**12),
            "shortable": False,
            "overnight": False,
        }
        facts = asset(known, **hard)
    if poor:
        nothing = {"cash": D(0), "buying_power": D(0), "cash_power": D(0), "may_short": False, "coins_blocked": "no"}
        facts = replace(facts, account=replace(ACCOUNT, **nothing))
    if night and symbol == "KO":
        facts = replace(facts, session=NIGHT)
    order = leg(symbol, side, str(quantity), str(-side.sign * held), **terms)
    assert order.opens == 0
    assert refusal(order, facts) is None


@given(held=st.integers(-(10**6), 10**6).map(D), side=SIDES, quantity=WHOLE)
def test_what_opens_and_what_closes_add_up(held, side, quantity):
    order = leg(side=side, quantity=str(quantity), held=str(held))
    closes = min(quantity, max(D(0), -side.sign * held))
    assert order.opens + closes == quantity


@given(symbol=st.sampled_from(["KO", "BTCUSD"]), side=SIDES, price=POSITIVE, stop=st.booleans())
def test_a_price_is_rounded_into_steps_and_never_to_the_worse_side(symbol, side, price, stop):
    rounded = aligned(FACTS, symbol, side, price, stop=stop)
    step = FACTS.price_step_of(symbol, price)
    assert rounded is not None
    assert step is not None
    if rounded == price:
        assert is_in_steps(price, step) or price < step
        return
    step_there = FACTS.price_step_of(symbol, rounded)
    assert step_there is not None
    assert is_in_steps(rounded, step_there)
    assert (rounded < price) is ((side is BUY) is not stop)
    assert abs(EXACT.subtract(rounded, price)) < step
    assert aligned(FACTS, symbol, side, rounded, stop=stop) == rounded


@given(ask=POSITIVE, limit=st.none() | POSITIVE, quantity=WHOLE)
def test_a_short_sale_counts_at_its_limit_or_three_percent_above_the_ask(ask, limit, quantity):
    quote = QuoteReport(symbol="KO", bid=ask, ask=ask, at=NOW, source="x")
    facts = replace(FACTS, quotes={"KO": quote})
    terms = {} if limit is None else {"limit_price": limit}
    order = leg(side=SELL, quantity=str(quantity), **terms)
    each = unit_value(order, facts)
    assert each == max(limit or D(0), ask * D("1.03"))
    assert costs([order], facts) == Costs(quantity * each, D(0))


@given(quantity=POSITIVE.filter(lambda q: q >= D("0.0001")), own=st.integers(0, 10**6).map(D))
def test_coins_are_bought_for_ten_dollars_or_more_of_the_accounts_own_money(quantity, own):
    order = leg("BTCUSD", quantity=str(quantity))
    found = refusal(order, account(cash_power=own, buying_power=D(10) ** 12))
    expected = "least value" if quantity * 100 < 10 else "margin" if quantity * 100 > own else None
    assert (found and found[0]) == expected
