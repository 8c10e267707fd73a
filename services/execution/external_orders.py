"""Orders of an outside executor: on record as it names them, booked as it reports them, never touched by a worker.

Such an order is at the executor from its first moment, so no worker sends it, and its account has no broker here that
could be asked for it. The caller holds the locks of the account and of the signal.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.enums import AssetClass, MarketPosition, Side
from domain.errors import InvalidInput
from domain.exact import plain_text, round8
from domain.external import ExternalLeg, can_be_booked, how_it_stands, is_all_of_leg2, leg_quantity, price_of_rest
from domain.lanes.roll_up import RollUp
from domain.messages import FillReport, OrderReport
from domain.order_status import CLOSED, OrderStatus, SignalStatus
from models import Fill, Instrument, Order, Signal
from services.catalog import snapshots
from services.execution.new_orders import NewOrder, add_orders, make_order
from services.execution.order_moves import move_order, note
from services.execution.order_records import Locked, apply_report
from services.execution.roll_up import orders_of_signal
from services.signal_moves import move_signal

logger = logging.getLogger(__name__)

S = OrderStatus
ZERO = Decimal(0)
IN_ITS_HANDS = "your own executor has it"
LONGEST_ID = 64


class ExternalOrders:
    """The orders of one locked signal of an outside executor."""

    def __init__(self, session: Session, signal: Signal, now: datetime, actor: str) -> None:
        self._session, self._signal, self._now, self._actor = session, signal, now, actor
        session.flush()
        self._orders = orders_of_signal(session, signal.id)
        self._quantities = {leg: self._asked_for(leg) for leg in (1, 2)}

    @property
    def legs(self) -> list[ExternalLeg]:
        """Return how its legs stand: one of a single, two of a pair."""
        return [self._leg(number) for number in ((1,) if self._signal.symbol2 is None else (1, 2))]

    @property
    def holds_any(self) -> bool:
        """Return True if shares were traded by any of its orders."""
        return any(self.filled(leg) for leg in (1, 2))

    def quantity(self, leg: int) -> Decimal:
        """Return how many shares of a leg the signal asks for."""
        return self._quantities[leg] or self._signal.quantity

    def latest(self, leg: int) -> Order | None:
        """Return the newest order of a leg; None where none is on record."""
        return next((order for order in reversed(self._orders) if order.leg == leg), None)

    def filled(self, leg: int) -> Decimal:
        """Return how many shares all orders of a leg have traded."""
        return sum((order.filled_quantity for order in self._orders if order.leg == leg), ZERO)

    def lacks(self, leg: int) -> bool:
        """Return True if an order of the leg is on record and not filled."""
        order = self.latest(leg)
        return order is not None and order.filled_quantity < order.quantity

    def name(self, leg: int, order_id: str | None, told: Decimal | None = None) -> Order | None:
        """Return the order of a leg with that id, made when it is named first; None where the desk cannot book one.

        An executor that names another one has replaced the order before it, which keeps what it has filled. `told` is
        how many shares of it the executor says are filled: no estimate is needed then.
        """
        last = self.latest(leg)
        if last is not None and (order_id is None or last.broker_order_id in (order_id, _own_id(last, order_id))):
            return last
        quantity = self._quantities[leg]
        if quantity is None and told is not None:
            quantity = self._quantities[leg] = self.filled(leg) + told
        symbol = self._signal.symbol1 if leg == 1 else self._signal.symbol2
        if quantity is None or symbol is None or self._signal.name is None or self._signal.account_id is None:
            return last
        rest = quantity - self.filled(leg)
        if last is not None and (rest <= 0 or last.broker_order_id == _own_id(last, None)):
            last.broker_order_id = self._free_id(last, order_id)  # it had no name, or there is nothing left to trade
            return last
        if last is not None and last.status not in CLOSED:
            move_order(self._session, last, S.REPLACED, f"{self._actor} names {order_id} instead", self._actor)
            last.reason = "replaced by your own executor"
        return self._make(leg, symbol, rest, order_id)

    def fill(self, order: Order, total: Decimal, average: Decimal | None) -> bool:
        """Book what is new of an order that has `total` shares at this average price; True when anything was.

        Without a price the last one of the leg counts, or the alert's, until one is told. Raises InvalidInput.
        """
        new = total - order.filled_quantity
        if new <= 0:
            return False
        price = average if average is not None else self._likely_price(order.leg)
        if price is None:
            text = "order %s: %s filled %s of %s without a price; they are not in the books until it tells one"
            logger.critical(text, order.client_order_id, self._actor, plain_text(total), order.symbol)
            return False
        booked = self._booked(order)
        at = price_of_rest(booked, total, price) if booked else round8(price)
        if not can_be_booked(new, at):
            raise InvalidInput({"stk_price": f"makes a fill of {new:f} at {at:f}, which cannot be"})
        order.quantity = max(order.quantity, total)  # of leg 2 it is an estimate
        self._report(
            order,
            S.FILLED if total >= order.quantity else S.PARTIALLY_FILLED,
            FillReport(
                execution_id=f"{order.client_order_id} {plain_text(total)}",
                quantity=new,
                price=at,
                commission=ZERO,
                at=self._now,
                synthetic=bool(booked) or average is None,
            ),
        )
        return True

    def tell(self, order: Order, total: Decimal) -> None:
        """Let an order of leg 2 be no larger than what is told of it, where that is all that the leg comes to."""
        ratio = self._signal.hedge_ratio
        if order.leg != 2 or ratio is None or total >= order.quantity:
            return
        of_leg = self.filled(2) - order.filled_quantity + total
        if is_all_of_leg2(of_leg, self.quantity(2), self._signal.quantity, ratio):
            order.quantity = total

    def remaining(self) -> str | None:
        """Return how many shares are still to come, in the words that v4 clients know; None when all are filled."""
        if self._signal.symbol2 is None:
            rest = self.quantity(1) - self.filled(1)
            return f"remained: {plain_text(rest)}" if rest > 0 else None
        symbols = (self._signal.symbol1, self._signal.symbol2)
        rests = [(symbol, leg.quantity - leg.filled) for symbol, leg in zip(symbols, self.legs, strict=True)]
        return "; ".join(f"remained({symbol}): {plain_text(rest)}" for symbol, rest in rests if rest > 0) or None

    def note_price(self, order: Order, price: Decimal) -> None:
        """Put on record that another price was reported of shares that are booked: a fill is never changed."""
        shown = plain_text(order.average_price) if order.average_price is not None else "another"
        text = f"reported again at {plain_text(price)}; the books keep {shown}"
        note(self._session, order, text, self._actor)
        logger.warning("order %s: %s", order.client_order_id, text)

    def end(self, leg: int | None, reason: str) -> None:
        """End the open orders of a leg, or of all, as the executor or a person says it."""
        for order in self._orders:
            if leg in (None, order.leg) and order.status not in CLOSED:
                move_order(self._session, order, S.CANCELED, reason, self._actor)
                order.reason = reason[:500]

    def tell_of_end(self) -> None:
        """Let the signal say what the end of an order leaves, where something is held: a lone leg is never silent."""
        signal, result = self._signal, self._how_it_stands()
        if result.status is SignalStatus.CRITICAL:
            move_signal(self._session, signal, SignalStatus.CRITICAL, result.reason, self._actor, text=result.reason)
        elif result.reason and signal.status == SignalStatus.PART_FILLED:
            move_signal(self._session, signal, SignalStatus.PART_FILLED, result.reason, self._actor)

    def lone_leg(self) -> str | None:
        """Return in words that one leg is held without the other, whose order has ended; None where it is not so."""
        result = self._how_it_stands()
        return result.reason if result.status is SignalStatus.CRITICAL else None

    def _how_it_stands(self) -> RollUp:
        hedge_ratio = self._signal.hedge_ratio if self._signal.symbol2 else None
        return how_it_stands(Side(self._signal.side), hedge_ratio, self.legs)

    def catch_up(self, leg: int) -> None:
        """Book a leg in full at the price that stands on the signal, if one does."""
        price = getattr(self._signal, f"leg_price{leg}")
        order = None if price is None else self.name(leg, getattr(self._signal, f"order_id{leg}"))
        if order is not None:
            self.fill(order, order.quantity, price)

    def _asked_for(self, leg: int) -> Decimal | None:
        signal = self._signal
        symbol = signal.symbol1 if leg == 1 else signal.symbol2
        if symbol is None:
            return None
        instrument = self._instrument(symbol)
        whole = instrument is None or instrument.asset_class == AssetClass.STOCK
        return leg_quantity(leg, signal.quantity, signal.hedge_ratio, whole_shares=whole)

    def _leg(self, number: int) -> ExternalLeg:
        last, filled = self.latest(number), self.filled(number)
        return ExternalLeg(
            quantity=filled if last is not None and last.status == S.FILLED else self.quantity(number),
            filled=filled,
            last=S(last.status) if last is not None else None,
            has_price=getattr(self._signal, f"leg_price{number}") is not None,
        )

    def _make(self, leg: int, symbol: str, quantity: Decimal, order_id: str | None) -> Order:
        instrument, signal = self._instrument(symbol), self._signal
        side = Side(signal.side) if leg == 1 else Side(signal.side).opposite
        new = NewOrder(
            leg=leg,
            symbol=symbol,
            asset_class=instrument.asset_class if instrument else AssetClass.STOCK,
            currency=instrument.currency if instrument else "USD",
            side=side,
            quantity=quantity,
            generation=sum(order.leg == leg for order in self._orders) + 1,
            is_exit=signal.position == MarketPosition.FLAT,
        )
        order = make_order(snapshots.snapshot().installation, signal, new, self._now)
        add_orders(self._session, [order], f"named by {self._actor}", self._actor)
        order.broker_order_id = self._free_id(order, order_id)
        self._orders = sorted([*self._orders, order], key=lambda each: (each.leg, each.generation))
        self._report(order, S.ACCEPTED)
        return order

    def _report(self, order: Order, status: OrderStatus, *fills: FillReport) -> None:
        """Book a report as one of a broker is booked; the signal follows by the words of v3."""
        report = OrderReport(
            client_order_id=order.client_order_id,
            broker_order_id=str(order.broker_order_id),
            symbol=order.symbol,
            side=Side(order.side),
            quantity=order.quantity,
            status=status,
            at=self._now,
            reason=f"reported by {self._actor}",
            fills=fills,
        )
        # By evidence: it never waits for a worker, and one that was said to be canceled may be filled all the same.
        apply_report(self._session, Locked(order, None, self._now), report, self._actor, by_evidence=True)
        order.reason = None if order.status in CLOSED else IN_ITS_HANDS
        self._session.flush()

    def _booked(self, order: Order) -> Sequence[tuple[Decimal, Decimal]]:
        query = sa.select(Fill.quantity, Fill.price).where(Fill.order_id == order.id).order_by(Fill.id)
        return [(row.quantity, row.price) for row in self._session.execute(query)]

    def _likely_price(self, leg: int) -> Decimal | None:
        price: Decimal | None = getattr(self._signal, f"leg_price{leg}")
        return self._signal.price if price is None and self._signal.symbol2 is None else price

    def _instrument(self, symbol: str) -> Instrument | None:
        query = sa.select(Instrument).where(Instrument.symbol == symbol)
        return self._session.execute(query).scalar_one_or_none()

    def _free_id(self, order: Order, order_id: str | None) -> str:
        """Return the id of an order that no other of the account has: executors begin to count anew."""
        same = sa.exists().where(Order.account_id == order.account_id, Order.broker_order_id == order_id)
        if order_id is None or self._session.execute(sa.select(same)).scalar_one():
            return _own_id(order, order_id)
        return order_id


def _own_id(order: Order, order_id: str | None) -> str:
    suffix = f" of order {order.id}"
    return f"{(order_id or 'none')[: LONGEST_ID - len(suffix)]}{suffix}"
