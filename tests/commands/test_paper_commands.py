"""The `flask paper` commands: what they tell the venue holds for every process."""

from datetime import UTC, datetime, timedelta

import pytest

from brokers.errors import OrderRejected
from brokers.paper.spec import paper_settings
from brokers.paper.venue import PaperVenue
from tests.brokers.paper_support import make_request

TOMORROW = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)


@pytest.fixture
def run(app):
    """Run a `flask paper` command; returns exit code and output."""

    def run(*words):
        result = app.test_cli_runner().invoke(args=["paper", *words])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.output

    return run


@pytest.fixture
def venue(app):
    venue = PaperVenue(paper_settings(app.config["DESK"]))
    yield venue
    venue.close()


def order(**overrides):
    return make_request(account="paper", **overrides)


def test_show_tells_money_session_and_holdings(run, venue):
    assert run("show")[1].splitlines() == [
        "cash 1000000 USD",
        "equity 1000000.00000000, buying power 2000000.00000000",
        "the market is open",
        "flat",
    ]
    venue.submit(order())
    venue.block("paper", "margin call")
    lines = run("show")[1].splitlines()
    assert lines[2] == "blocked: margin call"
    assert lines[-1].split() == ["AAPL", "10.00000000", "at", "100.00000000"]


def test_an_asset_is_limited_and_freed(run, venue):
    code, output = run("asset", "aapl", "--unshortable", "--step", "1")
    assert (code, output) == (0, "AAPL is tradable, not shortable, in steps of 1\n")
    with pytest.raises(OrderRejected, match="multiple of 1"):
        venue.submit(order(quantity=order().quantity / 4))
    run("asset", "AAPL", "--untradable")
    with pytest.raises(OrderRejected, match="not tradable"):
        venue.submit(order())
    assert run("unasset", "AAPL")[0] == 0
    assert venue.submit(order()).fills


def test_the_market_is_closed_and_opened(run, venue):
    code, output = run("session", "closed", "--opens-at", TOMORROW.isoformat())
    assert (code, output) == (0, f"the market is closed, opens at {TOMORROW:%Y-%m-%d %H:%M:%S} UTC\n")
    report = venue.submit(order())
    assert report.fills == ()
    run("session", "open", "--closes-at", f"{TOMORROW:%Y-%m-%dT%H:%M}")
    assert venue.session().closes_at == TOMORROW.replace(second=0)
    assert venue.find("paper", report.client_order_id).fills
    assert run("session", "always")[1] == "the market is open\n"
    assert venue.session().closes_at is None


def test_the_account_is_blocked_and_unblocked(run, venue):
    assert run("block", "margin call") == (0, "Orders are refused: margin call\n")
    with pytest.raises(OrderRejected, match="margin call"):
        venue.submit(order())
    assert run("unblock")[0] == 0
    assert venue.submit(order()).fills


def test_the_next_cancel_goes_wrong(run, venue):
    assert run("tell", "cancel_fills")[1] == "The next 1 cancel(s): cancel_fills.\n"
    report = venue.submit(order(limit="90"))
    assert venue.cancel("paper", report.client_order_id).fills


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("asset", "AAPL", "--step", "0"), "quantity_step must be above 0"),
        (("asset", "AAPL", "--step", "x"), "is not a number"),
        (("session", "closed", "--opens-at", "2020-01-01"), "opens_at must lie ahead"),
        (("session", "closed", "--opens-at", "soon"), "is not a date and time"),
        (("session", "always", "--closes-at", "2099-01-01"), "neither opens nor closes"),
        (("block", ""), "printable"),
    ],
)
def test_what_the_venue_cannot_be_is_told_in_one_line(run, words, told):
    code, output = run(*words)
    assert code != 0
    assert told in output.splitlines()[-1]
    assert "Traceback" not in output
