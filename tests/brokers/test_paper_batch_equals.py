"""A batch of orders comes to what the same orders come to one by one, and to what the rules say of money.

`LONGER=20` runs twenty times as many examples, by chance.
"""

import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from brokers.base import OrderAnswer
from brokers.errors import BrokerError
from brokers.paper import order_rows
from brokers.paper.instructions import CANCELS, Instruction, Kind
from brokers.paper.margin import Resting, Stake, mark_of, totals_of
from brokers.paper.orders import Order
from brokers.paper.pricing import Quote, resting_price
from brokers.paper.tables import instructions, metadata, orders, positions
from brokers.paper.venue import PaperVenue
from domain.enums import Side, TimeInForce
from domain.messages import OrderReport, OrderRequest
from tests.brokers.paper_support import NOON, Clock, make_request, make_settings

D = Decimal
LONGER = int(os.environ.get("LONGER", "0"))
LONG_AGO = NOON - timedelta(days=1000)
SINGLE, TOGETHER = "single", "together"
SYMBOLS = ("A", "B", "C", "D")
KINDS = [kind for kind in Kind if kind not in CANCELS]

symbols = st.sampled_from(SYMBOLS)


def mostly(usual: Sequence[Any], odd: Sequence[Any], share: int = 16) -> st.SearchStrategy[Any]:
    """Draw what is usual, and once in `share` times something odd."""
    return st.integers(1, share).flatmap(lambda n: st.sampled_from(odd if n == share else usual))


AMOUNTS = [D(n) for n in ("1", "2", "3", "5", "8", "13", "0.5", "0.00000007")]
PRICES = ["9", "10", "10.37", "11", "12.5"]


@st.composite
def orders_of(draw: st.DrawFn, first: int, count: int) -> list[OrderRequest]:
    """Draw orders whose ids are numbers that rise from `first`; some repeat one, some follow another order."""
    drawn = []
    for number in range(first, first + draw(st.integers(count // 2, count))):
        attached = draw(mostly([None], range(number + 1), 5))
        drawn.append(
            make_request(
                client_order_id=f"order {draw(mostly([number], range(number + 1), 10))}",
                symbol=draw(symbols),
                side=draw(st.sampled_from(Side)),
                quantity=draw(mostly(AMOUNTS, [D(0), D(40), D("0.000000001")])),
                alert=draw(mostly(PRICES, [None, "0"])),
                limit=draw(st.one_of(st.none(), mostly(PRICES, ["0", "30"]))),
                time_in_force=draw(mostly([TimeInForce.GTC, TimeInForce.DAY, TimeInForce.IOC], [TimeInForce.FOK], 24)),
                attached_to=None if attached is None else f"order {attached}",
                hedge_ratio=None if attached is None else draw(mostly([D(1), D("0.5"), D("1.7")], [D(0)])),
            )
        )
    return drawn


instruction_drawn = st.builds(
    Instruction,
    kind=st.sampled_from([*KINDS, Kind.WORK, Kind.PARTIAL]),
    symbol=st.one_of(st.none(), symbols),
    seconds=st.sampled_from([5.0, 90.0]),
    quantity=st.sampled_from([D(1), D("2.5")]),
)
instructions_given = st.lists(st.tuples(instruction_drawn, st.integers(1, 3)), max_size=4)
quotes = st.dictionaries(symbols, st.sampled_from([("9.5", "10.5"), ("10", "10"), ("10.01", "12.34567891")]))
assets = st.dictionaries(
    symbols,
    st.fixed_dictionaries(
        {"tradable": st.sampled_from([True, True, False]), "shortable": st.booleans(), "quantity_step": st.sampled_from([D(1), D("0.00000001")])}
    ),
    max_size=2,
)  # fmt: skip


@dataclass(frozen=True)
class Example:
    """What was there before, and what is sent."""

    before: list[OrderRequest]
    before_instructions: list[tuple[Instruction, int]]
    quotes: dict[str, tuple[str, str]]
    assets: dict[str, dict[str, Any]]
    is_open: bool
    passed: int  # seconds between both
    given: list[tuple[Instruction, int]]
    batch: list[OrderRequest]
    size: int
    cash: int


examples = st.builds(
    Example,
    before=orders_of(0, 6),
    before_instructions=instructions_given,
    quotes=quotes,
    assets=assets,
    is_open=st.sampled_from([True, True, True, False]),
    passed=st.sampled_from([0, 20]),
    given=instructions_given,
    batch=orders_of(6, 12),
    size=st.sampled_from([2, 5, 12]),
    cash=st.sampled_from([60, 300, 100_000]),
)


def without_ids(answer: OrderAnswer) -> object:
    """Return an answer without the ids that the store counts up."""
    if isinstance(answer, BrokerError):
        return type(answer), str(answer)
    fills = tuple(replace(fill, execution_id=fill.execution_id.partition("-")[2]) for fill in answer.fills)
    return replace(answer, broker_order_id="", fills=fills)


def state(venue: PaperVenue, account: str) -> object:
    """Return all that can be seen of an account, and what instructions are left."""
    money = venue.account(account)
    with venue._store.reading() as connection:
        left = connection.execute(select(instructions.c.kind, instructions.c.symbol, instructions.c.remaining)).all()
    return (
        [without_ids(report) for report in venue.list(account, LONG_AGO)],
        venue.positions(account),
        (money.cash, money.equity, money.buying_power, money.blocked),
        sorted(map(str, left)),
    )


def send(venue: PaperVenue, account: str, batch: Sequence[OrderRequest], size: int) -> list[OrderAnswer]:
    mine = [replace(order, account=account) for order in batch]
    return [
        answer
        for start in range(0, len(mine), size)
        for answer in venue.submit_all(account, mine[start : start + size])
    ]


def instruct(venue: PaperVenue, all_given: Sequence[tuple[Instruction, int]]) -> None:
    venue.forget_instructions()
    for instruction, count in all_given:
        venue.instruct(instruction, count)


def prepare(venue: PaperVenue, clock: Clock, example: Example) -> None:
    """Give both accounts the same past."""
    for account in (SINGLE, TOGETHER):
        instruct(venue, example.before_instructions)
        send(venue, account, example.before, 1)
    for symbol, (bid, ask) in example.quotes.items():
        venue.set_quote(symbol, D(bid), D(ask))
    for symbol, rules in example.assets.items():
        venue.set_asset(symbol, **rules)
    if not example.is_open:
        venue.set_session(False, opens_at=clock.now + timedelta(hours=1))
    clock.advance(seconds=example.passed)


def forget_all(venue: PaperVenue) -> None:
    """Empty the store, and what the venue remembers of it."""
    with venue._store.writing(alone=True) as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
    venue._opened.clear()


def check(url: str, example: Example) -> None:
    clock = Clock()
    charges = {"slippage_bps": D("12.5"), "commission": D("0.01"), "cash": D(example.cash)}
    with closing(PaperVenue(make_settings(url, **charges), clock=clock, sleep=lambda _: None)) as venue:
        venue.open()
        forget_all(venue)
        prepare(venue, clock, example)
        answers, states = {}, {}
        for account, size in ((SINGLE, 1), (TOGETHER, example.size)):
            instruct(venue, example.given)
            answers[account] = [without_ids(answer) for answer in send(venue, account, example.batch, size)]
            states[account] = state(venue, account)
        assert answers[TOGETHER] == answers[SINGLE]
        assert states[TOGETHER] == states[SINGLE]
        for answer in answers[SINGLE]:
            event(answer.status if isinstance(answer, OrderReport) else answer[1].partition(":")[0])
        check_money(venue, TOGETHER)


def check_money(venue: PaperVenue, account: str) -> None:
    """Hold what the venue says of money against its positions and working orders, added up anew."""
    quoted = {symbol: Quote(quote.bid, quote.ask) for symbol, quote in venue.quotes(SYMBOLS).items()}
    with venue._store.reading() as connection:
        rows = connection.execute(select(positions).where(positions.c.account == account)).all()
    held = {row.symbol: row.quantity for row in rows}
    stakes = [Stake(row.quantity, mark_of(quoted.get(row.symbol), row.last_price, row.average_price)) for row in rows]
    working: dict[tuple[str, Side], Resting] = {}
    for order in working_orders(venue, account):
        price = resting_price(
            order.side,
            order.limit_price,
            quoted.get(order.symbol),
            None if order.alert_price is None else order.alert_price.amount,
            venue._settings.slippage_bps,
        )
        key = order.symbol, order.side
        working[key] = working.get(key, Resting()).plus(order.remaining, price)
    reserves = [resting.reserve(held.get(symbol, D(0)), side) for (symbol, side), resting in working.items()]
    money = venue.account(account)
    worth = totals_of(stakes, reserves).worth(money.cash)
    assert (money.equity, money.buying_power) == (worth.equity, worth.buying_power(venue._settings.leverage))


def working_orders(venue: PaperVenue, account: str) -> Sequence[Order]:
    with venue._store.reading() as connection:
        which = order_rows.ALL.where(orders.c.account == account, orders.c.closed_at.is_(None))
        return order_rows.load(connection, which, {})


def profile(count: int) -> Any:
    return settings(
        max_examples=count * max(LONGER, 1),
        deadline=None,
        derandomize=not LONGER,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
        print_blob=True,
    )


@pytest.mark.timeout(300 + 120 * LONGER)
@profile(80)
@given(examples)
def test_a_batch_equals_the_same_orders_one_by_one(fast_folder: Path, example: Example):
    check(f"sqlite:///{fast_folder}/paper.db", example)


@pytest.mark.postgres
@pytest.mark.timeout(300 + 120 * LONGER)
@profile(15)
@given(examples)
def test_a_batch_equals_the_same_orders_one_by_one_on_postgresql(pg_url: str, example: Example):
    check(pg_url, example)
