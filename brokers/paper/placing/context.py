"""What becomes of new orders of one account, decided one by one; each sees what the ones before it took.

Pure: whoever reads fills a PlacingContext, and whoever writes stores what it has become.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from brokers.errors import BrokerError, OrderRejected
from brokers.paper.attached import Lead
from brokers.paper.instructions import Answer, Instruction
from brokers.paper.margin import Resting, Stake, Totals, check_buying_power, increase, mark_of, totals_of
from brokers.paper.market import Asset, Session
from brokers.paper.orders import Order, lead_of, new_order
from brokers.paper.positions import Holding, cash_flow
from brokers.paper.pricing import EXACT, Quote, resting_price
from brokers.paper.rules.requests import is_amount
from brokers.paper.settings import PaperSettings
from domain.enums import Side
from domain.messages import OrderRequest

NOTHING = Resting()


class DuplicateOrderId(OrderRejected):
    """The account has used this client order id before."""


@dataclass(slots=True, kw_only=True)
class SymbolState:
    """One symbol: what the venue was told of it, what the account holds of it, and what works in it."""

    quote: Quote | None = None
    asset: Asset = field(default_factory=Asset)
    holding: Holding = field(default_factory=Holding)
    last_price: Decimal | None = None  # of the account's last fill
    resting: dict[Side, Resting] = field(default_factory=dict)

    def totals(self) -> Totals:
        """Return what this symbol adds to the sums of the account."""
        held = self.holding.quantity
        stake = Stake(held, mark_of(self.quote, self.last_price, self.holding.average_price))
        return totals_of([stake], (working.reserve(held, side) for side, working in self.resting.items()))

    def increase(self, side: Side, quantity: Decimal) -> Decimal:
        """Return by how much more one more order may enlarge the holding, once what works on its side has filled."""
        held, working = self.holding.quantity, self.resting.get(side, NOTHING).quantity
        with_it = increase(held, side, EXACT.add(working, quantity))
        return EXACT.subtract(with_it, increase(held, side, working)) if working else with_it

    def is_only_reduced_by(self, quantities: Iterable[tuple[Side, Decimal]]) -> bool:
        """Return True if these orders cannot enlarge the holding, whichever of them fill."""
        held, leaving = self.holding.quantity, Decimal(0)
        for side, quantity in quantities:
            if held * side.sign >= 0:
                return False
            leaving = EXACT.add(leaving, quantity)
        closing = Side.SELL if held > 0 else Side.BUY
        return EXACT.add(leaving, self.resting.get(closing, NOTHING).quantity) <= abs(held)


@dataclass(slots=True)
class OpenInstruction:
    """An instruction for coming orders; `remaining` counts how many more it is for."""

    id: int
    instruction: Instruction
    remaining: int
    is_used: bool = False

    def fits(self, symbol: str) -> bool:
        """Return True if the next order of `symbol` is treated so."""
        return self.remaining > 0 and self.instruction.symbol in (None, symbol)


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one order: it was placed, or it was not, and the instruction that it was treated by."""

    outcome: Order | BrokerError
    instruction: Instruction | None = None

    def answer(self) -> Answer:
        """Return what the caller is told; a placed order must have its id."""
        outcome = self.outcome.report() if isinstance(self.outcome, Order) else self.outcome
        return Answer(outcome=outcome).under(self.instruction)


@dataclass(slots=True, kw_only=True)
class PlacingContext:
    """A locked account at one moment, as far as some orders depend on it."""

    settings: PaperSettings
    now: datetime
    cash: Decimal
    blocked: str  # why the account takes no orders, empty = it does
    session: Session
    symbols: dict[str, SymbolState]  # of these orders
    # Orders with a client order id that one of these has, or is attached to.
    orders: dict[str, Order] = field(default_factory=dict)
    instructions: list[OpenInstruction] = field(default_factory=list)  # oldest first
    totals: Totals | None = None  # of the whole account; None = none of these orders can enlarge a holding
    placed: list[Order] = field(default_factory=list)
    traded: set[str] = field(default_factory=set)  # symbols of which a position has changed

    def place(self, request: OrderRequest) -> Decision:
        """Decide on the next order."""
        if request.client_order_id in self.orders:
            return Decision(DuplicateOrderId("client order id must be unique"))
        instruction = self._use_instruction(request.symbol)
        if instruction is not None and (refusal := instruction.refusal()) is not None:
            return Decision(refusal, instruction)
        state = self.symbols[request.symbol]
        try:
            order = new_order(request, state.quote, self.session, self.settings, self.now, last_price=state.last_price)
            self._admit(order, state)
        except OrderRejected as e:
            return Decision(e, instruction)
        if instruction is None or instruction.prepare(order, self.now):
            order.enter(state.quote, self.session, self.settings, self.now)
        elif order.due_at is None:
            order.settle_ioc(self.now)
            if order.closed_at is None and not self.session.is_open_at(self.now):
                order.hold(self.session, self.now)
        self._record(order, state)
        return Decision(order, instruction)

    def _use_instruction(self, symbol: str) -> Instruction | None:
        for each in self.instructions:
            if each.fits(symbol):
                each.remaining, each.is_used = each.remaining - 1, True
                return each.instruction
        return None

    def _admit(self, order: Order, state: SymbolState) -> None:
        """Raise OrderRejected if the account must not place this order; look leg 1 up if it has one."""
        if self.blocked:
            raise OrderRejected(f"the account is blocked: {self.blocked}")
        state.asset.check(order.symbol, order.quantity)
        if order.side is Side.SELL and not state.asset.shortable:
            selling = EXACT.add(state.resting.get(Side.SELL, NOTHING).quantity, order.quantity)
            if selling > state.holding.quantity:
                raise OrderRejected(f"{order.symbol} cannot be sold short")
        if order.attached_to is not None:
            order.lead = self._lead(order.attached_to, state.asset.quantity_step)
        more = state.increase(order.side, order.quantity)
        price = order.worst_price
        if price is None and (market := order.price(state.quote, self.settings.slippage_bps)) is not None:
            price = market.amount
        if more and price is not None:
            if self.totals is None:
                raise RuntimeError("the worth of the account was not read")
            available = self.totals.worth(self.cash).buying_power(self.settings.leverage)
            check_buying_power(EXACT.multiply(more, price), available)

    def _lead(self, attached_to: str, step: Decimal) -> Lead:
        leg1 = self.orders.get(attached_to)
        is_seen = leg1 is not None and (leg1.visible_at is None or leg1.visible_at <= self.now)
        return lead_of(leg1 if is_seen else None, step)

    def _record(self, order: Order, state: SymbolState) -> None:
        """Put an order on record, so that the orders after it see what it took."""
        before = None if self.totals is None else state.totals()
        for fill in order.fills:
            state.holding = state.holding.after(order.side, fill.quantity, fill.price)
            state.last_price = fill.price
            self.cash = EXACT.add(self.cash, cash_flow(order.side, fill.quantity, fill.price, fill.commission))
            self.traded.add(order.symbol)
        if order.closed_at is None:
            alert = None if order.alert_price is None else order.alert_price.amount
            price = resting_price(order.side, order.worst_price, state.quote, alert, self.settings.slippage_bps)
            state.resting[order.side] = state.resting.get(order.side, NOTHING).plus(order.remaining, price)
        if self.totals is not None and before is not None:
            self.totals = self.totals.minus(before).plus(state.totals())
        self.orders[order.client_order_id] = order
        self.placed.append(order)


def can_enlarge(symbols: dict[str, SymbolState], requests: Iterable[OrderRequest]) -> bool:
    """Return True if one of these orders may make a holding larger, and so needs buying power."""
    wanted: dict[str, list[tuple[Side, Decimal]]] = {}
    for request in requests:
        if is_amount(request.quantity):  # what is none is refused for that
            wanted.setdefault(request.symbol, []).append((request.side, request.quantity))
    return any(not symbols[symbol].is_only_reduced_by(quantities) for symbol, quantities in wanted.items())
