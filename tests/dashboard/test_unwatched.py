"""Nobody watches: a broker that cannot be read, a worker that is silent. Each page says so, and what is at stake."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from models import AccountState, Worker
from tests.dashboard.support import add_signal, add_worker, plain_text
from tests.dashboard.trading import account_said, add_order
from tests.support import book_rows

REFUSED = "Alpaca refuses the keys"
PAGES = ("/", "/signals", "/orders", "/positions", "/accounts", "/controls", "/guide")


def ago(seconds):
    return datetime.now(UTC) - timedelta(seconds=seconds)


def run_worker(app, seconds):
    """Let a worker have run for so long; it was heard from just now."""
    book_rows.add(app, Worker(name="w", started_at=ago(seconds), seen_at=ago(1)))


def refused(seconds=240, **fields):
    return account_said(trouble=REFUSED, heard_at=ago(seconds), **fields)


def at_work(app, **fields):
    """Let an order work at the account paper, and a position be held there."""
    book_rows.add(app, book_rows.position("KO", "7"))
    return add_order(app, **{"status": "ACCEPTED", "sent_at": ago(300), **fields})


@pytest.mark.parametrize("page", PAGES)
def test_each_page_tells_of_a_broker_that_cannot_be_read(app, member, page):
    run_worker(app, 300)
    at_work(app)
    add_signal(app)
    book_rows.add(app, refused())
    response = member.get(page)
    text = plain_text(response)
    assert (
        f"paper is not in step with its broker: {REFUSED}. Nobody watches 1 open order and 1 open position there: "
        "look at the broker. 1 signal waits for it."
    ) in text
    assert 'data-key="banner-away-1" role="alert"' in response.text
    assert "Last heard" in text
    assert "The worker" not in text.partition("Show accounts")[0]


def test_visitors_are_not_told_of_accounts(app, client):
    run_worker(app, 300)
    at_work(app)
    book_rows.add(app, refused())
    assert "banner-away" not in client.get("/").text


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ({"heard_at": 240}, "nothing is heard from its broker"),
        ({"heard_at": 5, "synced_until": 240}, "its orders cannot be read"),
        ({"heard_at": 5}, "its orders cannot be read"),
        ({"heard_at": None}, "nothing is heard from its broker"),
        (None, "nothing is heard from its broker"),
    ],
)
def test_silence_is_told_as_well_as_trouble(app, member, state, why):
    run_worker(app, 300)
    at_work(app)
    if state is not None:
        times = {name: None if seconds is None else ago(seconds) for name, seconds in state.items()}
        book_rows.add(app, AccountState(account_id=1, **times))
    assert f"paper is not in step with its broker: {why}." in plain_text(member.get("/"))


@pytest.mark.parametrize(
    ("state", "worker"),
    [
        ({"heard_at": 5, "synced_until": 5}, 300),  # in step
        ({"heard_at": 5, "synced_until": 5, "trouble": REFUSED}, 300),  # one try failed
        ({"heard_at": 9000, "synced_until": 9000}, 5),  # a worker that has just begun
        ({"heard_at": 9000, "synced_until": 9000}, None),  # no worker: that has a banner of its own
    ],
)
def test_what_is_no_fault_of_the_broker_is_not_told_of_it(app, member, state, worker):
    if worker is not None:
        run_worker(app, worker)
    at_work(app)
    times = {name: ago(value) if name != "trouble" else value for name, value in state.items()}
    book_rows.add(app, AccountState(account_id=1, **times))
    assert "is not in step" not in plain_text(member.get("/"))


def test_an_account_without_anything_at_stake_has_no_banner(app, member):
    run_worker(app, 300)
    book_rows.add(app, refused())
    assert "banner-away" not in member.get("/").text
    assert "not in step" in plain_text(member.get("/accounts"))


def test_the_list_and_page_of_orders_say_that_the_account_is_away(app, member):
    run_worker(app, 300)
    order_id = at_work(app)
    ended = add_order(app, status="FILLED")
    book_rows.add(app, refused())
    told = f"account away: paper, {REFUSED}; the broker had it when it was last heard"
    for page in ("/orders", f"/orders/{order_id}"):
        text = plain_text(member.get(page))
        assert told in text
        assert "The broker has it." not in text
    assert "account away" not in plain_text(member.get(f"/orders/{ended}"))


def test_the_card_of_an_account_that_is_away_is_not_green(app, member):
    run_worker(app, 300)
    book_rows.add(app, refused(stream_heard_at=ago(5)))
    response = member.get("/accounts")
    card = response.text.partition('data-key="account-1"')[2].partition("</dl>")[0]
    assert '<span class="badge error">not in step, nothing is watched</span>' in card
    assert "trades play money" not in card
    assert "connected" not in card


def test_health_names_accounts_that_are_away_and_readiness_does_not_depend_on_them(app, client):
    run_worker(app, 300)
    at_work(app)
    since = ago(240)
    book_rows.add(app, account_said(trouble=REFUSED, heard_at=since))
    result = app.test_cli_runner().invoke(args=["health"])
    assert result.exit_code == 1
    named = f"paper is not in step since {since:%Y-%m-%d %H:%M:%S} UTC ({REFUSED}); open orders there: 1"
    assert f"FAIL accounts: {named}" in result.output.splitlines()
    assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize("page", PAGES)
def test_a_silent_worker_is_told_on_each_page_with_what_goes_on_without_it(app, member, page):
    for _ in range(3):
        add_order(app, status="ACCEPTED", sent_at=ago(400))
    add_signal(app, status="created", name="MA-V", unbalanced_at=ago(100), filled_quantity=Decimal(3))
    add_worker(app, silent=300)
    text = plain_text(member.get(page))
    assert "The worker was not heard from for 5 min." in text
    assert "Nobody watches 3 open orders and 1 pair out of balance: look at the broker. No signal waits now;" in text


def test_visitors_hear_of_a_silent_worker_but_not_of_orders(app, client):
    add_order(app, status="ACCEPTED", sent_at=ago(400))
    add_worker(app, silent=300)
    text = plain_text(client.get("/signals"))
    assert "The worker was not heard from for 5 min." in text
    assert "open order" not in text
    assert "The worker" not in plain_text(client.get("/login"))
