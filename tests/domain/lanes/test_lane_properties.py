"""Whatever the venue does, and in whichever order: exits never open, bounds are never passed, and all comes to rest."""

from __future__ import annotations

import os
from decimal import Decimal

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from domain.enums import Side
from domain.lanes.values import Kind
from domain.order_status import OrderStatus
from tests.domain.lanes.desk_model import Desk, SimOrder

S = OrderStatus
D = Decimal
LONGER = "LONGER" in os.environ
AT_VENUE = (S.SENDING, S.UNKNOWN, S.ACCEPTED, S.PARTIALLY_FILLED, S.CANCEL_PENDING)

settings.register_profile(
    "lanes",
    max_examples=20_000 if LONGER else 400,
    derandomize=not LONGER,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink],
)
LANES = settings.get_profile("lanes")

targets = st.integers(-3, 3).map(lambda number: D(number * 5))
events = st.one_of(
    st.tuples(st.just("alert"), targets, st.booleans(), st.sampled_from(["plain", "plain", "lost", "no position"])),
    st.tuples(st.just("accept"), st.integers(0, 5)),
    st.tuples(st.just("fill"), st.integers(0, 5), st.integers(1, 12)),
    st.tuples(st.just("fill all"), st.integers(0, 5)),
    st.tuples(st.just("end"), st.integers(0, 5), st.sampled_from([S.CANCELED, S.REJECTED, S.EXPIRED])),
    st.tuples(st.just("lose"), st.integers(0, 5)),
    st.tuples(st.just("tick"), st.sampled_from(["0.1", "0.6", "2"])),
)


class Watched(Desk):
    """A desk whose every fill is judged."""

    def __init__(self, lane: str, hedges: dict[str, Decimal] | None = None) -> None:
        super().__init__(hedges)
        self.name = lane
        self.strategy = D(0)
        self.lowest = self.highest = D(0)
        self.bounded = True

    def play(self, event: tuple[object, ...]) -> None:
        what, *rest = event
        if what == "alert":
            self._alert(*rest)  # type: ignore[arg-type]
        elif what == "tick":
            self.tick(rest[0])
        elif open_orders := [order for order in self.open() if order.status in AT_VENUE]:
            order = open_orders[int(rest[0]) % len(open_orders)]  # type: ignore[call-overload]
            if what == "accept":
                self.accept(order)
            elif what == "lose":
                self.lose(order)
            elif what == "end":
                self.end(order, rest[1])  # type: ignore[arg-type]
            else:
                self.fill(order, rest[1] if what == "fill" else None)
        self.check()

    def fill(self, order: SimOrder, quantity: object = None) -> None:
        key, kind = (order.lane, order.symbol), self.signals[order.signal - 1].kind
        before = self.held.get(key, D(0))
        super().fill(order, quantity)
        after = self.held.get(key, D(0))
        if order.is_exit:
            assert abs(after) <= abs(before), f"an exit made {before} into {after}"
            assert before * after >= 0, f"an exit turned {before} into {after}"
        # A leg 2 that is left alone, as nobody plays the policies here, is no position of the pair.
        if kind is not Kind.REVERSAL and self.bounded and order.symbol == order.lane.split("-")[0]:
            assert before * after >= 0, f"{kind} turned {before} into {after}"

    def check(self) -> None:
        for order in self.orders:
            for other in self.orders:
                meets = order.symbol == other.symbol and order.side is not other.side
                assert not (meets and order.status in AT_VENUE and other.status in AT_VENUE), "our own orders meet"
        position = self.position(self.name)[0]
        if self.bounded:
            assert self.lowest <= position <= self.highest

    def settle(self) -> None:
        """Let the venue answer everything: what is to be canceled is canceled, all else is filled."""
        for _ in range(60):
            if not self.open() and all(signal.status != "waiting" for signal in self.signals):
                return
            for order in self.open():
                if order.status is S.CANCEL_PENDING:
                    self.end(order)
                else:
                    self.accept(order)
                    self.fill(order)
            self.tick(2)
        assert not self.open()
        assert all(signal.status != "waiting" for signal in self.signals), [s.reason for s in self.signals]

    def _alert(self, target: Decimal, is_market: bool, how: str) -> None:
        change, previous = target - self.strategy, self.strategy
        if not change:
            return
        self.strategy = target
        if how == "lost":
            return
        side = Side.BUY if change > 0 else Side.SELL
        if how == "no position":
            self.bounded = False
            self.alert(self.name, side, abs(change), is_market=is_market)
            return
        self.lowest, self.highest = min(self.lowest, target), max(self.highest, target)
        self.alert(self.name, side, abs(change), bound=target, previous=previous, is_market=is_market)


@LANES
@given(st.lists(events, max_size=25))
def test_a_single_never_opens_by_an_exit_and_never_passes_a_bound(played: list[tuple[object, ...]]) -> None:
    desk = Watched("X")
    for event in played:
        desk.play(event)
    desk.settle()
    desk.check()


@LANES
@given(st.lists(events, max_size=25))
def test_after_a_last_alert_to_flat_nothing_is_held(played: list[tuple[object, ...]]) -> None:
    desk = Watched("X")
    for event in played:
        desk.play(event)
    desk.alert("X", "sell", 1, bound=D(0), previous=D(1))
    desk.settle()
    assert desk.position("X") == (D(0),)


@LANES
@given(st.lists(events, max_size=20))
def test_after_a_last_alert_to_flat_a_pair_holds_nothing(played: list[tuple[object, ...]]) -> None:
    desk = Watched("X-Y", {"X-Y": D("1.4")})
    for event in played:
        desk.play(event)
    desk.alert("X-Y", "sell", 1, bound=D(0), previous=D(1))
    desk.settle()
    assert desk.position("X-Y") == (D(0), D(0))


@LANES
@given(st.lists(st.tuples(targets, st.booleans()), min_size=1, max_size=8))
def test_without_trouble_the_position_is_where_the_last_alert_leads(played: list[tuple[Decimal, bool]]) -> None:
    desk = Watched("X")
    for target, answered in played:
        desk._alert(target, True, "plain")
        if answered:
            desk.settle()
    desk.settle()
    assert desk.position("X")[0] == desk.strategy
