"""Judging orders once more at the moment of sending: by cancels, stops and switches, and by what is held now."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from brokers.base import Broker
from domain.enums import Purpose, Side
from domain.exact import plain_text
from domain.lanes.account_book import AccountBook
from domain.lanes.admit import Candidate, End, Hold, Send, admit, there
from domain.lanes.position_reversal import Parts
from domain.order_status import OrderStatus
from domain.planning.values import CUT
from domain.trace import step
from models import Order
from services.catalog.snapshots import Snapshot
from services.execution import stops
from services.execution.cancel_orders import cancel_for_exits
from services.execution.order_moves import note
from services.execution.order_records import Locked, fail_order
from services.execution.position_reversal import parts_of, send_in_parts
from services.timing import HOLD

logger = logging.getLogger(__name__)

S = OrderStatus


@dataclass(frozen=True, slots=True)
class Gate:
    """What orders are judged by; all of one moment, and under the locks of their accounts."""

    session: Session
    brokers: Mapping[int, Broker]
    books: Mapping[int, AccountBook]
    known: Snapshot
    now: datetime
    worker: str

    def lets_pass(self, group: Sequence[Locked]) -> bool:
        """Return True if these orders may be sent now, all of them; made smaller where less is to be closed.

        Else they are put off or ended, as far as they have to be.
        """
        for locked in group:
            if (end := self._must_end(locked.order)) is not None:
                self._end(locked, *end)
                return False
        answers = [(locked, self._admitted(locked.order)) for locked in group]
        for _, answer in answers:
            if isinstance(answer, Hold):
                self._put_off(group, answer)
                return False
        for locked, answer in answers:
            if isinstance(answer, End):
                if locked.order.status == S.QUEUED:  # not ended together with the other leg
                    self._end(locked, *self._word(locked.order, answer))
            elif isinstance(answer, Send):
                self._fit(locked, answer)
        return all(isinstance(answer, Send) for _, answer in answers) and self._in_parts(group)

    def _must_end(self, order: Order) -> tuple[OrderStatus, str] | None:
        if order.cancel_requested_at is not None:
            return S.CANCELED, order.cancel_reason or "canceled before it was sent"
        if order.account_id in self.known.switched_off:
            return S.DENIED, "live trading is not switched on for the account"
        if (
            not order.is_exit
            and order.purpose == Purpose.SIGNAL
            and (stop := stops.stopping(order, self.known)) is not None
        ):
            return S.DENIED, stop
        return None

    def _admitted(self, order: Order) -> Send | Hold | End:
        leg = self.books[order.account_id].leg(order.name, order.symbol, but=order.id)
        if (difference := self._difference(order)) and order.purpose != Purpose.UNWIND:
            leg = replace(leg, held=there(leg.held, difference))
        closes = order.quantity if order.purpose == Purpose.UNWIND else order.closes
        candidate = Candidate(
            order_id=order.id,
            lane=order.name,
            symbol=order.symbol,
            side=Side(order.side),
            quantity=order.quantity,
            closes=Decimal(0) if order.attached or self._is_repeat(order) else closes,
            purpose=Purpose(order.purpose),
        )
        return admit(candidate, leg)

    def _difference(self, order: Order) -> Decimal:
        """Return what the account holds beyond our books, where the broker would open what it cannot close."""
        if self.brokers[order.account_id].capabilities.reverses_in_one_order:
            return Decimal(0)
        return self.books[order.account_id].differences.get(order.symbol, Decimal(0))

    def _word(self, order: Order, end: End) -> tuple[OrderStatus, str]:
        """Return how to end an order that has nothing left to close: quietly, unless others closed its position."""
        if self._difference(order):
            return S.DENIED, f"the account holds less {order.symbol} than the desk's book: {end.reason}"
        return S.CANCELED, end.reason

    @staticmethod
    def _is_repeat(order: Order) -> bool:
        """Return True for an order that was sent before: the broker may know it, so it stays as it is."""
        return order.send_attempts > 0

    def _fit(self, locked: Locked, answer: Send) -> None:
        order, signal = locked.order, locked.signal
        if answer.quantity == order.quantity:
            return
        note(self.session, order, answer.text, self.worker)
        logger.warning("order %s (signal %s): %s", order.client_order_id, order.signal_id, answer.text)
        if signal is not None:
            signal.trace = [
                *signal.trace,
                step("reduce only", False, f"When it was sent, {answer.text}.", outcome=CUT),
            ]
            if order.purpose == Purpose.SIGNAL and signal.leg_quantity1 and signal.leg_quantity2:
                planned = getattr(signal, f"leg_quantity{order.leg}")
                left = planned - (order.quantity - answer.quantity)
                setattr(signal, f"leg_quantity{order.leg}", left)
            if self._difference(order):
                lacking = plain_text(order.quantity - answer.quantity)
                held = "the account holds less than the desk's book"
                signal.left_out = f"{lacking} {order.symbol} were not closed: {held}"[:255]
        order.quantity, order.closes = answer.quantity, answer.closes

    def _in_parts(self, group: Sequence[Locked]) -> bool:
        """Return True once each order is on one side of zero of the account's position, where the broker wants that."""
        parts: list[tuple[Locked, Parts]] = []
        for locked in group:
            order = locked.order
            if self.brokers[order.account_id].capabilities.reverses_in_one_order:
                continue
            holding = self.books[order.account_id].holding(order.symbol, but=order.id)
            parts.append((locked, parts_of(self.session, order, holding, self.now)))
        for locked, part in parts:
            if part.must_wait:
                text = f"waits for what the other orders of {locked.order.symbol} leave to be closed"
                self._put_off(group, Hold(text))
                return False
            if not part.now:
                self._end(locked, S.DENIED, f"fractions of {locked.order.symbol} cannot be sold short")
                return False
        for locked, part in parts:
            send_in_parts(self.session, locked.signal, locked.order, part, self.worker)
        return True

    def _end(self, ending: Locked, status: OrderStatus, reason: str) -> None:
        """End an order; its signal decides what becomes of the other leg."""
        fail_order(self.session, ending, status, reason, self.worker)

    def _put_off(self, group: Sequence[Locked], hold: Hold) -> None:
        for locked in group:
            locked.order.next_at = self.now + HOLD
            if locked.order.reason != hold.reason[:500]:
                locked.order.reason = hold.reason[:500]
                note(self.session, locked.order, hold.reason, self.worker)
                logger.info("order %s: %s", locked.order.client_order_id, hold.reason)
        self._cancel(hold.cancel, group[0].order)

    def _cancel(self, order_ids: Sequence[int], closing: Order) -> None:
        if not order_ids:
            return
        why = f"order {closing.id} closes a position on the other side"
        cancel_for_exits(self.session, dict.fromkeys(order_ids, why), self.worker, self.now)
