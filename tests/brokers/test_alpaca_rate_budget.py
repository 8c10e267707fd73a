"""Who waits when requests are scarce, and how long."""

import contextlib
import time
from typing import Any

import pytest

from brokers.alpaca.rate_budget import LONGEST, Priority, RateBudget
from brokers.errors import BrokerUnavailable, RateLimited
from tests.brokers.alpaca_peers import Answers
from tests.brokers.alpaca_support import Clock, open_client

RESERVE, SPARE = 20, 40  # of the usual 200 requests: left by what can wait, and by reads that orders hold back
NOW = 1_800_000_000.0


class StoppedClock:
    """A time of day and monotonic seconds that go on when a test says so."""

    def __init__(self) -> None:
        self.passed = self.set_by = 0.0

    def time(self) -> float:
        return NOW + self.passed + self.set_by

    def monotonic(self) -> float:
        return 1000 + self.passed


class TestRateBudget:
    def make(self, remaining: Any = None, reset: Any = None) -> tuple[RateBudget, StoppedClock]:
        clock = StoppedClock()
        budget = RateBudget(clock)
        if remaining is not None:
            budget.see({"X-RateLimit-Remaining": str(remaining), "X-RateLimit-Reset": str(reset)})
        return budget, clock

    def test_at_first_everything_goes(self):
        budget, _ = self.make()
        budget.check(Priority.URGENT)
        budget.check(Priority.READ)

    def test_an_order_is_not_sent_into_a_refusal_that_is_certain(self):
        budget, clock = self.make(0, NOW + 40)
        with pytest.raises(RateLimited, match="used up") as caught:
            budget.check(Priority.URGENT)
        assert caught.value.retry_after == 40
        clock.passed += 40
        budget.check(Priority.URGENT)

    @pytest.mark.parametrize("remaining", [2, RESERVE - 1])
    def test_the_last_requests_of_a_minute_are_kept_for_orders(self, remaining: int):
        budget, clock = self.make(remaining, NOW + 40)
        budget.check(Priority.URGENT)
        with pytest.raises(BrokerUnavailable, match="kept for orders") as caught:
            budget.check(Priority.READ)
        assert caught.value.retry_after == 40
        clock.passed += 39.9
        with pytest.raises(BrokerUnavailable):
            budget.check(Priority.READ)
        clock.passed += 0.1
        budget.check(Priority.READ)

    def test_what_is_urgent_goes_before_entries_and_those_before_what_can_wait(self):
        first = [Priority.URGENT, Priority.OUTCOME, Priority.NEEDED, Priority.ENTRY, Priority.READ]
        gone = {remaining: self.allowed(remaining) for remaining in (0, 1, 2, 4, 8, RESERVE)}
        assert gone == {0: [], 1: first[:1], 2: first[:2], 4: first[:3], 8: first[:4], RESERVE: first}

    def allowed(self, remaining: int) -> list[Priority]:
        allowed = []
        for priority in Priority:
            budget, _ = self.make(remaining, NOW + 40)
            with contextlib.suppress(RateLimited):
                budget.check(priority)
                allowed.append(priority)
        return allowed

    def test_what_is_kept_is_a_part_of_what_alpaca_allows(self):
        budget, _ = self.make()
        headers = {"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "99", "X-RateLimit-Reset": str(NOW + 40)}
        budget.see(headers)
        budget.check(Priority.ENTRY)
        with pytest.raises(RateLimited, match="kept for orders"):
            budget.check(Priority.READ)

    def test_requests_that_are_on_their_way_are_counted(self):
        budget, _ = self.make(3, NOW + 40)
        for _ in range(3):
            budget.check(Priority.URGENT)
        with pytest.raises(RateLimited, match="used up"):
            budget.check(Priority.URGENT)

    def test_an_answer_that_was_overtaken_gives_no_request_back(self):
        budget, clock = self.make(1, NOW + 40)
        budget.see({"X-RateLimit-Remaining": "5", "X-RateLimit-Reset": str(NOW + 40)})
        budget.check(Priority.URGENT)
        with pytest.raises(RateLimited):
            budget.check(Priority.URGENT)
        clock.passed += 41
        budget.see({"X-RateLimit-Remaining": "199", "X-RateLimit-Reset": str(NOW + 100)})  # the next minute's
        budget.check(Priority.READ)

    @pytest.mark.parametrize(("orders", "is_scarce"), [(0, False), (79, False), (80, False), (81, True), (500, True)])
    def test_reads_leave_what_is_left_to_the_orders_that_are_to_be_sent(self, orders: int, is_scarce: bool):
        budget, _ = self.make(80 + SPARE, NOW + 40)
        assert budget.is_scarce(orders) is is_scarce

    def test_a_new_minute_has_all_its_requests(self):
        budget, clock = self.make(3, NOW + 40)
        assert budget.is_scarce(0)
        clock.passed += 40
        assert not budget.is_scarce(160)
        assert budget.is_scarce(161)

    def test_requests_are_scarce_after_a_refusal(self):
        budget, clock = self.make()
        assert not budget.is_scarce(0)
        budget.refuse({})
        assert budget.is_scarce(0)
        clock.passed += LONGEST
        assert not budget.is_scarce(0)

    @pytest.mark.parametrize("remaining", [RESERVE, 199])
    def test_reads_go_as_long_as_there_are_enough(self, remaining: int):
        self.make(remaining, NOW + 40)[0].check(Priority.READ)

    @pytest.mark.parametrize("remaining", ["", "many", "nan", "inf", "-inf", "1e999"])
    def test_a_number_that_is_none_is_passed_over(self, remaining: str):
        budget, _ = self.make(1, NOW + 40)
        budget.see({"X-RateLimit-Remaining": remaining, "X-RateLimit-Reset": str(NOW + 40)})
        with pytest.raises(BrokerUnavailable):
            budget.check(Priority.READ)

    @pytest.mark.parametrize("reset", ["", "soon", "nan", "inf", "0", "-1", NOW + 3600, NOW - 3600, 60])
    def test_a_window_that_cannot_be_is_passed_over(self, reset: Any):
        self.make(0, reset)[0].check(Priority.READ)

    @pytest.mark.parametrize("missing", ["X-RateLimit-Remaining", "X-RateLimit-Reset"])
    def test_half_of_the_headers_is_none(self, missing: str):
        headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(NOW + 40)}
        budget, _ = self.make()
        budget.see({name: value for name, value in headers.items() if name != missing})
        budget.check(Priority.READ)

    @pytest.mark.parametrize("priority", Priority)
    def test_a_refusal_closes_it_to_orders_and_reads(self, priority: Priority):
        budget, clock = self.make()
        wait = budget.refuse({"Retry-After": "10"})
        assert 10 <= wait <= 11
        with pytest.raises(BrokerUnavailable, match="rate limit") as caught:
            budget.check(priority)
        assert caught.value.retry_after == pytest.approx(wait)
        clock.passed += wait
        budget.check(priority)

    @pytest.mark.parametrize("set_by", [-3600, 3600])
    def test_a_clock_that_is_set_does_not_move_the_end_of_a_window(self, set_by: float):
        budget, clock = self.make(0, NOW + 40)
        wait = budget.refuse({"X-RateLimit-Reset": str(NOW + 20)})
        clock.set_by = set_by
        with pytest.raises(BrokerUnavailable) as caught:
            budget.check(Priority.URGENT)
        assert caught.value.retry_after == pytest.approx(wait)
        clock.passed += wait
        budget.check(Priority.URGENT)
        with pytest.raises(BrokerUnavailable, match="kept for orders") as caught:
            budget.check(Priority.READ)
        assert caught.value.retry_after == pytest.approx(40 - wait)
        clock.passed = 40
        budget.check(Priority.READ)

    @pytest.mark.parametrize("headers", [{"Retry-After": "86400"}, {"X-RateLimit-Reset": str(NOW + 3600)}])
    def test_nobody_waits_longer_than_for_the_next_minute(self, headers: dict[str, str]):
        budget, clock = self.make(0, NOW + 119)
        wait = budget.refuse(headers)
        assert 60 <= wait <= LONGEST
        clock.passed += LONGEST
        budget.check(Priority.URGENT)
        budget.check(Priority.READ)

    def test_several_workers_do_not_come_back_at_the_same_moment(self):
        assert len({self.make()[0].refuse({}) for _ in range(5)}) == 5

    def test_answers_of_a_client_fill_it(self, answers: Answers):
        clock = Clock()
        answers.give(200, {}, X_RateLimit_Remaining="3", X_RateLimit_Reset=str(time.time() + 30))
        with open_client(answers.url, clock=clock) as client:
            client.post("/orders", {})
            with pytest.raises(BrokerUnavailable, match="kept for orders"):
                client.read("/account")
            client.delete("/orders/1")
            client.read("/orders:by_client_order_id", {}, priority=Priority.OUTCOME)  # what became of the cancel
            client.read_data("/x", {})  # data has a window of its own
            assert len(answers.asked) == 4
            clock.ahead += 31
            client.read("/account")

    def test_an_order_waits_for_the_next_minute_although_the_clock_was_set_back(self, answers: Answers):
        clock = Clock()
        answers.give(429, {"message": "too many requests."}, X_RateLimit_Reset=str(int(time.time()) + 20))
        with open_client(answers.url, clock=clock) as client:
            with pytest.raises(BrokerUnavailable):
                client.post("/orders", {})
            answers.give(200, {"id": "1"})
            clock.set_by = -3600
            clock.ahead += 23
            assert client.post("/orders", {}) == {"id": "1"}

    @pytest.mark.parametrize("value", ["inf", "nan", "many", "-5", ""])
    def test_nonsense_in_headers_spoils_no_answer(self, answers: Answers, value: str):
        answers.give(200, {"a": 1}, X_RateLimit_Remaining=value, X_RateLimit_Reset=str(int(time.time())))
        with open_client(answers.url) as client:
            assert client.post("/orders", {}) == {"a": 1}
            assert client.read("/account") == {"a": 1}
