"""Positions, hedges, results, and the form that heals."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from extensions import transaction
from models import BrokerAccount, ForeignOrder, Position, PositionDifference, Signal, ToldPosition
from tests.dashboard.support import plain_text, scalars
from tests.dashboard.trading import account_said, add_drifted_pair, add_orphan, drift_state, journal, send
from tests.support import book_rows
from tests.support.factories import ADMIN_PASSWORD, make_pair, make_stock


def heal(app, client, password=ADMIN_PASSWORD, **fields):
    state = fields.pop("state", None) or drift_state(app)
    given = {"subject": state, "state": state, "pair": "LNT-FTS", "account": "paper", "password": password, **fields}
    return send(client, "/positions", "heal", **given)


def healing_signals(app):
    return scalars(app, sa.select(Signal).where(Signal.source == "heal"))


def book(response, name, account=1):
    return response.text.split(f'data-key="book-{account}-{name}"')[1].split("</tbody>")[0]


def test_what_the_broker_said_stands_above_the_books(app, member):
    book_rows.add(app, account_said())
    text = plain_text(member.get("/positions"))
    for part in ("Cash 84,210.50 USD", "Buying power 168,421.00 USD", "Equity 101,733.12 USD", "Market open until"):
        assert part in text


def told_position(app, symbol, quantity, **more):
    account = book_rows.account_id(app, "external")
    book_rows.add(app, ToldPosition(account_id=account, symbol=symbol, quantity=Decimal(quantity), **more))
    return account


def test_what_an_executor_tells_stands_under_its_account(app, member):
    account = told_position(app, "LNT", "-131", average_cost=Decimal("46.021"), unrealised=Decimal(-117))
    told_position(app, "AAPL", "10")
    told_position(app, "GONE", "0")
    make_stock(app, "AAPL", account="external")
    book_rows.add(app, book_rows.position("AAPL", "10", "50", account_id=account))
    text = plain_text(member.get("/positions"))
    assert "LNT short 131 46.021 -117.00 flat 0" in text
    assert "AAPL long 10 – not known its executor did not tell – not known its executor did not tell agree" in text
    assert "GONE" not in text


def test_trouble_at_the_broker_is_told(app, member):
    book_rows.add(app, account_said(trouble="no connection since 09:00", blocked="margin call", heard_at=None))
    text = plain_text(member.get("/positions"))
    assert "no connection since 09:00; blocked: margin call" in text
    assert "The broker has not been asked yet" in text


def test_what_the_broker_did_not_say_is_a_dash(app, member):
    book_rows.add(app, account_said(buying_power=None))
    assert "Buying power – not known the broker did not say" in plain_text(member.get("/positions"))


def test_a_stock_is_shown_with_its_worth(app, member):
    make_stock(app, "LNT")
    at = datetime.now(UTC) - timedelta(minutes=3)
    book_rows.add(
        app,
        book_rows.position("LNT", "10", "50", realised=Decimal("12.5"), commission=Decimal("1")),
        book_rows.quote("LNT", "52", "52.5", at=at),
    )
    text = plain_text(member.get("/positions"))
    assert "LNT long 10 50.00 52.25 bid and ask 52.00 and 52.50 source a test" in text
    assert "520.00 +20.00 +12.50 1.00" in text
    assert "Total, USD 520.00 +20.00 +12.50 1.00" in text


def test_without_a_quote_worth_and_total_are_a_dash_and_never_0(app, member):
    make_stock(app, "LNT")
    book_rows.add(app, book_rows.position("LNT", "10"), book_rows.position("FTS", "5"), book_rows.quote("FTS"))
    page = member.get("/positions")
    line = book(page, "LNT")
    assert line.count("no quote of LNT") == 3
    assert ">0.00<" not in line.split("unrealised")[0]
    assert "no quote of LNT" in page.text.split("<tfoot")[1]


def test_the_legs_of_a_pair_stand_together_with_their_hedge(app, member):
    add_drifted_pair(app)
    line = book(member.get("/positions"), "LNT-FTS")
    assert "drifted" in line
    assert "FTS should be short 125, is short 120" in line
    assert ">+5<" in line
    assert "+242.68 USD" in line
    assert ">4 %<" in line
    assert line.index("LNT</th>") < line.index("FTS</th>")


def test_an_orphan_is_flagged_and_its_flat_leg_shown(app, member):
    add_orphan(app)
    page = member.get("/positions")
    line = book(page, "MA-V")
    assert 'class="badge critical"' in line
    assert "orphan" in line
    assert "V</th>" in line
    assert "MA is held without its other leg" in plain_text(page)


def test_a_pair_in_balance_offers_nothing(app, member):
    add_drifted_pair(app)
    with app.app_context(), transaction() as session:
        session.execute(sa.update(Position).where(Position.symbol == "FTS").values(quantity=Decimal(-125)))
    page = member.get("/positions")
    assert "in balance" in book(page, "LNT-FTS")
    assert "Proposed" not in plain_text(page)


def test_what_does_not_agree_with_the_broker_stands_at_the_top(app, member):
    now = datetime.now(UTC)
    orders = [
        ForeignOrder(
            account_id=1,
            broker_order_id=str(n),
            symbol="TSLA",
            side="buy",
            quantity=Decimal(5),
            status="ACCEPTED",
            seen_at=now,
        )
        for n in range(7)
    ]
    book_rows.add(app, PositionDifference(account_id=1, symbol="AAPL", ours=Decimal(12), theirs=Decimal(10)), *orders)
    text = plain_text(member.get("/positions"))
    assert "paper: the broker holds 10 AAPL, the desk's fills add up to 12." in text
    assert text.count("an order that is not the desk's, buy 5 TSLA") == 5
    assert "2 more orders there are not the desk's." in text


def test_an_empty_desk_says_so(member):
    text = plain_text(member.get("/positions"))
    assert "Nothing is held at paper." in text
    assert "Nothing was traded in the last 30 days." in text
    assert "No signal with a price was filled in the last 30 days." in text


def test_results_are_added_up_by_period(app, member):
    make_stock(app, "LNT")
    today = datetime.now(UTC).date()
    for days, won in ((0, "100"), (6, "10"), (7, "1"), (30, "1000")):
        row = book_rows.result(
            f"{today - timedelta(days=days)}", realised=won, commission=Decimal("0.5"), traded=Decimal(2)
        )
        book_rows.add(app, row)
    text = plain_text(member.get("/positions"))
    assert "Today, UTC USD +100.00 0.50 +99.50 2" in text
    assert "7 days USD +110.00 1.00 +109.00 4" in text
    assert "30 days USD +111.00 1.50 +109.50 6" in text


def test_slippage_is_weighted_and_has_one_row_a_name(app, member):
    make_stock(app, "LNT")
    now = datetime.now(UTC)
    for side, slip, filled, age in (
        ("buy", "0.1", "10", 0),
        ("buy", "-0.2", "30", 0),
        ("sell", "0.05", "10", 0),
        ("buy", "9", "9", 40),
    ):
        book_rows.add(app, book_rows.filled_signal("LNT", side, slip, filled, received_at=now - timedelta(days=age)))
    text = plain_text(member.get("/positions"))
    assert "LNT 3 50 -0.125 +0.05 -0.09 +0.10 -0.20 -4.50 USD" in text  # one row: buys, sells, both


def test_foreign_orders_that_ended_without_a_fill_are_not_pointed_out(app, member):
    for number, (status, filled) in enumerate((("CANCELED", 0), ("CANCELED", 2), ("ACCEPTED", 0))):
        order = ForeignOrder(
            account_id=1,
            broker_order_id=str(number),
            symbol=f"{status}{filled}",
            side="buy",
            quantity=Decimal(5),
            filled_quantity=Decimal(filled),
            status=status,
        )
        book_rows.add(app, order)
    text = plain_text(member.get("/positions"))
    assert "CANCELED0" not in text
    assert "5 CANCELED2, CANCELED, 2 filled" in text
    assert "5 ACCEPTED0, ACCEPTED, 0 filled" in text


def test_real_and_play_money_are_never_added_up(app, member):
    make_stock(app, "LNT")
    live = BrokerAccount(name="real", broker="alpaca", environment="live", live_enabled=True)
    (number,) = book_rows.add(app, live)
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    book_rows.add(
        app,
        book_rows.result(today, realised="100", traded=Decimal(2)),
        book_rows.result(today, realised="-7", traded=Decimal(1), account_id=number),
    )
    text = plain_text(member.get("/positions"))
    real, play = "Today, UTC real money USD -7.00 0.00 -7.00 1", "Today, UTC play money USD +100.00 0.00 +100.00 2"
    assert text.index(real) < text.index("30 days real money") < text.index(play)
    assert "+93" not in text
    assert "Result today -7.00 USD real money +100.00 USD play money" in plain_text(member.get("/"))


def test_healing_makes_a_signal_that_the_desk_trades(app, member):
    add_drifted_pair(app)
    text = plain_text(member.get("/positions"))
    assert (
        "5 shares of FTS would have to be sold for the hedge of LNT, 4 % off. Proposed: sell 5 FTS at market ." in text
    )
    response = heal(app, member, reason="too far off")
    assert response.status_code == 303
    (signal,) = healing_signals(app)
    assert (signal.side, signal.quantity, signal.symbol1, signal.name) == ("sell", Decimal(5), "FTS", "LNT-FTS")
    assert f"as signal {signal.id}." in plain_text(member.get("/positions"))
    assert journal(app)[0][3].endswith("too far off")


def test_a_second_click_finds_the_same_signal(app, member):
    add_drifted_pair(app)
    assert heal(app, member).status_code == heal(app, member).status_code == 303
    assert len(healing_signals(app)) == 1


def test_a_proposal_that_is_no_longer_true_is_not_sent(app, member):
    add_drifted_pair(app)
    old = drift_state(app)
    with app.app_context(), transaction() as session:
        session.execute(sa.update(Position).where(Position.symbol == "FTS").values(quantity=Decimal(-110)))
    response = heal(app, member, state=old)
    assert response.status_code == 409
    assert "has changed since this was proposed" in plain_text(response)
    assert healing_signals(app) == []


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"password": "not mine"}, 401),
        ({"password": ""}, 400),
        ({"password": "x" * 5000}, 401),
        ({"reason": ""}, 400),
        ({"pair": "NO-SUCH"}, 409),
        ({"account": "external"}, 409),
        ({"pair": "a\x00b"}, 400),
        ({"deed": "cancel"}, 400),
    ],
)
def test_a_wrong_form_heals_nothing(app, member, fields, status):
    add_drifted_pair(app)
    data = {"password": ADMIN_PASSWORD, **fields}
    response = (
        heal(app, member, **{name: value for name, value in data.items() if name != "deed"})
        if "deed" not in fields
        else send(member, "/positions", "cancel")
    )
    assert response.status_code == status
    assert "not mine" not in response.text
    assert healing_signals(app) == []
    assert journal(app) == []


def test_a_pair_with_an_unknown_outcome_says_why_nothing_is_proposed(app, member):
    make_pair(app, "LNT-FTS", "1")
    book_rows.add(
        app,
        book_rows.position("LNT", "10", name="LNT-FTS"),
        book_rows.order("FTS", "sell", "4", name="LNT-FTS", leg=2, status="UNKNOWN"),
    )
    page = member.get("/positions")
    assert "nothing is proposed: the outcome of an order is not known" in plain_text(page)
    assert "Send this order" not in page.text


def test_what_no_exit_reaches_is_told_above_all(app, member):
    make_stock(app, "LNT")
    book_rows.add(app, book_rows.position("LNT", "10", "50"))
    assert "No exit reaches" not in plain_text(member.get("/positions"))
    with app.app_context(), transaction() as session:
        session.execute(sa.update(BrokerAccount).values(is_default=False))
        session.execute(sa.update(BrokerAccount).where(BrokerAccount.name == "external").values(is_default=True))
    text = plain_text(member.get("/positions"))
    assert "No exit reaches 10 LNT of LNT at paper; its alerts go to external." in text
