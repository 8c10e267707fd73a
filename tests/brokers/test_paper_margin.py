"""What an account at the paper venue is worth, and what it may buy with it."""

from contextlib import closing
from decimal import Decimal

import pytest
from sqlalchemy import event

from brokers.errors import OrderRejected
from brokers.paper.margin import Stake, increase, mark_of, worth_of
from brokers.paper.pricing import Quote
from brokers.paper.venue import PaperVenue
from domain.enums import Side
from domain.order_status import OrderStatus
from tests.brokers.paper_support import ACCOUNT, Clock, make_request, make_settings

D = Decimal


@pytest.mark.parametrize(
    ("held", "side", "quantity", "more"),
    [
        ("0", Side.BUY, "10", "10"),
        ("0", Side.SELL, "10", "10"),
        ("5", Side.BUY, "10", "10"),
        ("5", Side.SELL, "5", "0"),
        ("5", Side.SELL, "10", "0"),  # from long to as much short
        ("5", Side.SELL, "12", "2"),
        ("-5", Side.BUY, "4", "0"),
        ("-5", Side.BUY, "11", "1"),
        ("-5", Side.SELL, "1", "1"),
    ],
)
def test_an_increase_is_what_the_holding_grows_by_either_way(held: str, side: Side, quantity: str, more: str):
    assert increase(D(held), side, D(quantity)) == D(more)


@pytest.mark.parametrize(
    ("cash", "stakes", "equity", "gross", "power"),
    [
        ("1000", [], "1000", "0", "2000"),
        ("0", [("10", "100")], "1000", "1000", "1000"),
        ("2000", [("-10", "100")], "1000", "1000", "1000"),
        ("1000", [("10", "100"), ("-10", "100")], "1000", "2000", "0"),
        ("-900", [("10", "100")], "100", "1000", "0"),
        ("-2000", [("10", "100")], "-1000", "1000", "0"),
    ],
)
def test_buying_power_is_leverage_times_equity_less_what_is_held(
    cash: str, stakes: list[tuple[str, str]], equity: str, gross: str, power: str
):
    worth = worth_of(D(cash), [Stake(D(quantity), D(mark)) for quantity, mark in stakes])
    assert (worth.equity, worth.gross, worth.buying_power(D(2))) == (D(equity), D(gross), D(power))


def test_a_share_counts_at_the_quote_then_at_the_last_fill_then_at_the_entry():
    assert mark_of(Quote(D("10"), D("10.01")), D(9), D(8)) == D("10.005")
    assert mark_of(None, D(9), D(8)) == 9
    assert mark_of(None, None, D(8)) == 8


def test_an_account_that_never_traded_has_what_new_ones_start_with(venue: PaperVenue):
    account = venue.account("new")
    assert (account.cash, account.equity, account.buying_power, account.blocked) == (10**6, 10**6, 2 * 10**6, "")


def test_the_account_is_valued_at_quotes_and_last_fills(venue: PaperVenue):
    venue.submit(make_request(quantity=D(100), alert="100"))
    venue.submit(make_request(quantity=D(50), alert="110"))  # the last fill: 150 shares count at 110
    venue.submit(make_request(symbol="MSFT", quantity=D(10), alert="40", side=Side.SELL))
    account = venue.account(ACCOUNT)
    assert account.cash == 1_000_000 - 10_000 - 5_500 + 400
    assert account.equity == account.cash + 150 * 110 - 10 * 40
    assert account.buying_power == 2 * account.equity - (150 * 110 + 10 * 40)
    venue.set_quote("AAPL", D(119), D(121))
    assert venue.account(ACCOUNT).equity == account.cash + 150 * 120 - 10 * 40


def test_the_last_cent_of_buying_power_can_be_used_and_no_more(paper_url: str):
    with closing(PaperVenue(make_settings(paper_url, cash=D(1000), leverage=D("1.5")))) as venue:
        with pytest.raises(OrderRejected, match=r"^insufficient buying power: needs 1500.01, has 1500.00$"):
            venue.submit(make_request(quantity=D("15.00000001")))
        assert venue.submit(make_request(quantity=D(15))).status is OrderStatus.FILLED
        assert venue.account(ACCOUNT).buying_power == 0
        with pytest.raises(OrderRejected, match=r"needs 0.01, has 0.00$"):
            venue.submit(make_request(symbol="MSFT", quantity=D("0.00000001")))
        assert venue.submit(make_request(quantity=D(15), side=Side.SELL)).status is OrderStatus.FILLED


def test_an_order_needs_its_limit_or_what_a_market_order_would_pay(paper_url: str):
    with closing(PaperVenue(make_settings(paper_url, cash=D(1000), slippage_bps=D(100)))) as venue:
        venue.set_quote("AAPL", D(99), D(100))
        with pytest.raises(OrderRejected, match=r"needs 2020.00, has 2000.00"):
            venue.submit(make_request(quantity=D(20)))
        with pytest.raises(OrderRejected, match=r"needs 2020.00"):
            venue.submit(make_request(quantity=D(20), limit="101"))
        assert venue.submit(make_request(quantity=D(20), limit="99")).status is OrderStatus.ACCEPTED


def test_what_reduces_a_holding_is_taken_without_buying_power(venue: PaperVenue):
    venue.submit(make_request(quantity=D(10_000), side=Side.SELL))
    venue.set_quote("AAPL", D(299), D(301))  # two million down: nothing is left
    assert venue.account(ACCOUNT).buying_power == 0
    with pytest.raises(OrderRejected, match="buying power"):
        venue.submit(make_request(quantity=D(1), side=Side.SELL))
    assert venue.submit(make_request(quantity=D(10_000))).status is OrderStatus.FILLED


def test_a_refused_order_leaves_nothing_and_its_id_free(venue: PaperVenue, clock: Clock):
    request = make_request(quantity=D(20_001))
    with pytest.raises(OrderRejected, match="buying power"):
        venue.submit(request)
    assert venue.find(ACCOUNT, request.client_order_id) is None
    venue.set_quote("AAPL", D(50), D(50))
    assert venue.submit(request).status is OrderStatus.FILLED


@pytest.mark.parametrize(("side", "extra"), [(Side.BUY, 1), (Side.SELL, 0)])
def test_buying_power_costs_an_order_one_statement_and_an_exit_none(venue: PaperVenue, side: Side, extra: int):
    venue.submit(make_request())
    statements: list[str] = []
    event.listen(venue._store._engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    venue.submit(make_request(side=side))
    # lock, scene, order, fill, holding, cash
    assert len([statement for statement in statements if not statement.startswith("BEGIN")]) == 6 + extra
