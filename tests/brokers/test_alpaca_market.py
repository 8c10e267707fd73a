"""What Alpaca says of assets, quotes and its exchange's hours."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from brokers.alpaca import market
from brokers.alpaca.broker import AlpacaBroker
from brokers.errors import BrokerUnavailable
from domain.messages import AssetReport
from tests.brokers.alpaca_peers import Answers
from tests.brokers.alpaca_support import ACCOUNT, Simulator, make_settings

STEP = Decimal("0.00000001")
SINGLE, LIST = "GET /v2/assets/{symbol}", "GET /v2/assets"
SHARES, COINS = "GET /v2/stocks/{topic}/latest", "GET /v1beta3/crypto/us/latest/{topic}"
MANY = [f"A{first}{second}" for first in "ABCDE" for second in "ABCDE"]  # 25 shares that exist


@pytest.fixture
def broker(simulator: Simulator) -> Iterator[AlpacaBroker]:
    with closing(AlpacaBroker(make_settings(simulator.url), ACCOUNT)) as opened:
        yield opened


def asked(simulator: Simulator, request: str) -> int:
    """Return how often the simulator was asked, by the beginning of the request."""
    counts = simulator.control("GET", "book")["requests"]
    return sum(count for name, count in counts.items() if name.split("{")[0] == request.split("{")[0])


class TestAssets:
    def test_a_share(self, broker: AlpacaBroker):
        found = broker.list_assets(["AAPL"])["AAPL"]
        assert (found.symbol, found.tradable, found.shortable, found.always_open) == ("AAPL", True, True, False)
        assert (found.quantity_step, found.short_step) == (STEP, 1)

    def test_a_coin(self, broker: AlpacaBroker):
        found = broker.list_assets(["BTCUSD"])["BTCUSD"]
        assert (found.symbol, found.tradable, found.shortable, found.always_open) == ("BTCUSD", True, False, True)
        assert (found.quantity_step, found.short_step) == (STEP, None)

    @pytest.mark.parametrize(
        ("rules", "expected"),
        [
            ({"tradable": False}, {"tradable": False}),
            ({"status": "inactive"}, {"tradable": False}),
            ({"shortable": False}, {"shortable": False}),
            ({"easy_to_borrow": False}, {"shortable": False}),
            ({"fractionable": False}, {"quantity_step": Decimal(1)}),
        ],
    )
    @pytest.mark.parametrize("others", [[], MANY])
    def test_what_may_not_be_done_is_said_singly_and_in_a_list(
        self,
        simulator: Simulator,
        broker: AlpacaBroker,
        rules: dict[str, Any],
        expected: dict[str, Any],
        others: list[str],
    ):
        simulator.control("PUT", "assets/AAPL", rules)
        found = broker.list_assets(["AAPL", *others])["AAPL"]
        usual = {"tradable": True, "shortable": True, "quantity_step": STEP}
        assert {name: getattr(found, name) for name in usual} == usual | expected

    @pytest.mark.parametrize(
        ("borrow", "shortable"),
        [
            ({"borrow_status": "hard_to_borrow"}, False),
            ({"borrow_status": "hard_to_borrow", "easy_to_borrow": True}, False),
            ({"borrow_status": "something_new"}, False),
            ({"borrow_status": "easy_to_borrow"}, True),
            ({"easy_to_borrow": True}, True),
            ({}, True),  # either word may be gone one day
        ],
    )
    def test_what_is_hard_to_borrow_is_not_sold_short(
        self, answers: Answers, bare: AlpacaBroker, borrow: dict[str, Any], shortable: bool
    ):
        asset = {"symbol": "F", "class": "us_equity", "status": "active", "tradable": True, "shortable": True}
        answers.give(200, {**asset, **borrow})
        assert bare.list_assets(["F"])["F"].shortable is shortable

    def test_a_coins_own_step_counts_where_it_is_coarser(self, answers: Answers, bare: AlpacaBroker):
        asset = {"class": "crypto", "status": "active", "tradable": True, "min_trade_increment": "0.001"}
        answers.give(200, asset)
        assert bare.list_assets(["SHIBUSD"])["SHIBUSD"].quantity_step == Decimal("0.001")

    def test_unknown_ones_are_none(self, simulator: Simulator, broker: AlpacaBroker):
        found = broker.list_assets(["ZZZZA", "AAPL", "EURUSD", "ES1!"])
        assert {symbol for symbol, asset in found.items() if asset is None} == {"ZZZZA", "EURUSD", "ES1!"}
        assert found["AAPL"] is not None
        assert asked(simulator, SINGLE) == 3  # one of them could not exist
        assert broker.list_assets([]) == {}

    def test_a_few_are_asked_for_singly_and_many_as_a_list(self, simulator: Simulator, broker: AlpacaBroker):
        few = ["AAPL", *MANY][: market.MOST_SINGLE]
        assert list(broker.list_assets(few)) == few
        assert (asked(simulator, SINGLE), simulator.count(LIST)) == (len(few), 0)
        many = ["AAPL", "BTCUSD", "ZZZZA", "AZZ", *MANY]  # AZZ is not in the list, and exists all the same
        found = broker.list_assets(many)
        assert sorted(symbol for symbol, asset in found.items() if asset) == sorted(set(many) - {"ZZZZA"})
        assert simulator.count(LIST) == 2  # one of shares, one of coins

    def test_what_the_list_lacks_is_looked_up_a_few_at_a_time(self, simulator: Simulator, broker: AlpacaBroker):
        unlisted = [f"Q{chr(65 + number // 26)}{chr(65 + number % 26)}" for number in range(45)]
        left = list(unlisted)
        for count in range(1, 4):
            found = broker.list_assets(left)
            assert all(found.values())
            assert len(found) == market.MOST_MISSING
            assert (asked(simulator, SINGLE), simulator.count(LIST)) == (count * market.MOST_MISSING, 1)
            left = [symbol for symbol in left if symbol not in found]

    @pytest.mark.parametrize("others", [[], MANY])
    @pytest.mark.parametrize("body", [None, [], [7], "x", {"class": "crypto", "min_trade_increment": "some"}], ids=repr)
    def test_an_answer_that_cannot_be_read_is_unavailable(
        self, answers: Answers, bare: AlpacaBroker, body: Any, others: list[str]
    ):
        answers.give(200, body)
        with pytest.raises(BrokerUnavailable):
            bare.list_assets(["F", *others])

    @pytest.mark.parametrize("status", [401, 429, 500])
    def test_an_asset_that_cannot_be_asked_for_is_not_taken_for_unknown(
        self, answers: Answers, bare: AlpacaBroker, status: int
    ):
        answers.give(status, {"message": "no"})
        with pytest.raises(BrokerUnavailable):
            bare.list_assets(["F"])

    def test_times_are_those_of_the_question(self, broker: AlpacaBroker):
        report: AssetReport = broker.list_assets(["AAPL"])["AAPL"]
        assert abs(report.at - datetime.now(UTC)) < timedelta(seconds=5)


class TestQuotes:
    def test_shares_and_coins_are_quoted_each_by_its_own_service(self, simulator: Simulator, broker: AlpacaBroker):
        simulator.control("PUT", "quotes/BRK.B", {"bid": "480.01", "ask": "480.11"})
        simulator.control("PUT", "quotes/BTCUSD", {"bid": "60000.5", "ask": "60001"})
        found = broker.list_quotes(["BRK.B", "BTCUSD"])
        assert (found["BRK.B"].bid, found["BRK.B"].ask) == (Decimal("480.01"), Decimal("480.11"))
        assert (found["BTCUSD"].bid, found["BTCUSD"].ask) == (Decimal("60000.5"), Decimal("60001"))
        assert [found[symbol].source for symbol in ("BRK.B", "BTCUSD")] == ["alpaca iex", "alpaca crypto"]
        assert all(abs(quote.at - datetime.now(UTC)) < timedelta(seconds=5) for quote in found.values())
        assert (asked(simulator, SHARES), asked(simulator, COINS)) == (1, 1)

    def test_the_feed_of_the_settings_is_asked(self, answers: Answers):
        answers.give(200, {"quotes": {}})
        with closing(AlpacaBroker(make_settings(answers.url, feed="sip"), ACCOUNT)) as broker:
            broker.list_quotes(["F"])
        assert answers.asked == ["GET /v2/stocks/quotes/latest?feed=sip&symbols=F"]

    @pytest.mark.parametrize("unknown", [["ZZZZA"], ["ZZZZA", "ZZZZB", "ZZZZC"]])
    def test_unknown_symbols_do_not_hide_the_others(
        self, simulator: Simulator, broker: AlpacaBroker, unknown: list[str]
    ):
        found = broker.list_quotes([*MANY[:7], *unknown[:1], *MANY[7:], *unknown[1:]])
        assert sorted(found) == sorted(MANY)
        most = 1 + 2 * len(unknown) * 5  # each is found by halving thirty or fewer
        before = asked(simulator, SHARES)
        assert before <= most
        assert sorted(broker.list_quotes([*MANY, *unknown])) == sorted(MANY)
        assert asked(simulator, SHARES) == before + 1  # for a while they are left out

    def test_what_could_not_exist_is_not_asked_for(self, simulator: Simulator, broker: AlpacaBroker):
        assert list(broker.list_quotes(["ES1!", "AAPL", "brk.b"])) == ["AAPL"]
        assert asked(simulator, SHARES) == 1
        assert broker.list_quotes([]) == {}
        assert asked(simulator, SHARES) == 1

    def test_so_many_are_asked_for_at_once(
        self, simulator: Simulator, broker: AlpacaBroker, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(market, "MOST_QUOTES", 10)
        assert sorted(broker.list_quotes(MANY)) == sorted(MANY)
        assert asked(simulator, SHARES) == 3

    @pytest.mark.parametrize(
        "quote",
        [
            {"bp": 0, "ap": 10.5},
            {"bp": 10.4, "ap": 0},
            {"bp": 0, "ap": 0},
            {"bp": None, "ap": 10.5},
            {"bp": -1, "ap": 10.5},
            {"bp": "some", "ap": 10.5},
            {"bp": 10.4, "ap": 10.5, "t": None},
            {"bp": 10.4, "ap": 10.5, "t": "soon"},
            {},
            None,
            7,
            [],
        ],
        ids=repr,
    )
    def test_a_quote_with_an_empty_side_is_left_out_and_the_others_stay(
        self, answers: Answers, bare: AlpacaBroker, quote: Any
    ):
        at = "2026-11-25T12:00:00.123456789Z"
        spoilt = {"t": at, **quote} if isinstance(quote, dict) else quote
        answers.give(200, {"quotes": {"F": spoilt, "AAPL": {"bp": 10.4, "ap": 10.5, "t": at}}})
        found = bare.list_quotes(["F", "AAPL"])
        assert list(found) == ["AAPL"]
        assert found["AAPL"].middle == Decimal("10.45")
        assert found["AAPL"].at == datetime(2026, 11, 25, 12, 0, 0, 123456, tzinfo=UTC)

    @pytest.mark.parametrize("body", [None, [], {}, {"quotes": None}, {"quotes": []}, "x"], ids=repr)
    def test_an_answer_that_cannot_be_read_is_unavailable(self, answers: Answers, bare: AlpacaBroker, body: Any):
        answers.give(200, body)
        with pytest.raises(BrokerUnavailable):
            bare.list_quotes(["F"])

    @pytest.mark.parametrize("status", [401, 403, 429, 500])
    def test_no_answer_is_not_taken_for_no_quote(self, answers: Answers, bare: AlpacaBroker, status: int):
        answers.give(status, {"message": "no"})
        with pytest.raises(BrokerUnavailable):
            bare.list_quotes(["F"])


class TestSession:
    @pytest.mark.parametrize(("is_open", "turn"), [(True, "next_close"), (False, "next_open")])
    def test_it_says_whether_the_exchange_is_open_and_until_when(
        self, simulator: Simulator, broker: AlpacaBroker, is_open: bool, turn: str
    ):
        at = (datetime.now(UTC) + timedelta(hours=2)).replace(microsecond=0)
        simulator.control("PUT", "clock", {"is_open": is_open, turn: at.isoformat()})
        session = broker.session()
        assert session.is_open is is_open
        assert (session.closes_at, session.opens_at) == ((at, None) if is_open else (None, at))
        assert abs(session.at - datetime.now(UTC)) < timedelta(seconds=5)
        simulator.advance(2 * 3600 + 1)
        assert broker.session().is_open is not is_open

    @pytest.mark.parametrize(
        "body",
        [None, [], {}, "x", {"is_open": True, "next_close": "soon"}, {"is_open": False, "timestamp": "now"}],
        ids=repr,
    )
    def test_an_answer_that_cannot_be_read_is_unavailable(self, answers: Answers, bare: AlpacaBroker, body: Any):
        answers.give(200, body)
        with pytest.raises(BrokerUnavailable):
            bare.session()

    @pytest.mark.parametrize("word", ["true", 1, None])
    def test_only_a_clear_word_opens_it(self, answers: Answers, bare: AlpacaBroker, word: Any):
        answers.give(200, {"is_open": word})
        assert bare.session().is_open is False
