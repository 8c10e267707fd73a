"""From a waiting signal to its orders: one transaction, oldest first, one at a time for each stock or pair."""

from __future__ import annotations

import functools
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, aliased

from brokers.base import Capabilities
from domain.enums import OrderType, Side, TickerType, TimeInForce
from domain.intake import decide
from domain.order_status import OrderStatus, SignalStatus
from domain.sizing import is_tradable, leg2_quantity
from domain.trace import step
from extensions import announce, transaction, utc_now
from models import Instrument, Order, OrderEvent, Signal
from models.signal import WAITING
from services import crash_points, registry

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Leg:
    """One order to be made of a signal; quantity in shares."""

    number: int
    side: Side
    quantity: Decimal
    order_type: OrderType
    limit_price: Decimal | None
    instrument: Instrument


class NotTradable(Exception):
    """The signal must not be traded; says with which status and why."""

    def __init__(self, status: SignalStatus, reason: str, text: str) -> None:
        super().__init__(text)
        self.status, self.reason, self.text = status, reason, text


def plan_next(capabilities: Mapping[int, Capabilities], lifetime: timedelta, actor: str) -> bool:
    """Plan the oldest waiting signal; False when there is none.

    `capabilities` by account id: signals of other accounts are left alone. `lifetime` counts from receipt.
    """
    with transaction() as session:
        claimed = _claim(session, tuple(capabilities))
        if claimed is None:
            return False
        signal, now = claimed
        try:
            legs = _check(signal, session, capabilities, now, lifetime)
        except NotTradable as e:
            signal.status, signal.status_reason, signal.error_text = (
                e.status,
                e.reason[:255],
                f"{e.reason}: {e.text}"[:1000],
            )
            logger.warning("signal %s: %s, %s", signal.id, e.status, e.text)
        except SQLAlchemyError:
            raise
        except Exception:  # one signal that cannot be understood must not hold up all others
            logger.exception("signal %s: planning failed", signal.id)
            signal.status, signal.status_reason = SignalStatus.CRITICAL, "planning failed; the log says why"
        else:
            _make_orders(session, signal, legs, lifetime, actor)
            signal.status = SignalStatus.CREATED
            logger.info(
                "signal %s: planned as %s",
                signal.id,
                ", ".join(f"{leg.side} {leg.quantity} {leg.instrument.symbol}" for leg in legs),
            )
        announce(session)
        crash_points.reach("plan before commit")
    crash_points.reach("plan after commit")
    return True


def _claim(session: Session, accounts: tuple[int, ...]) -> tuple[Signal, datetime] | None:
    # The row lock is the claim: it lasts as long as this transaction, and ends with a worker that dies.
    found = session.execute(_next_waiting(), {"accounts": accounts}).one_or_none()
    return None if found is None else (found[0], found[1])


@functools.cache
def _next_waiting() -> sa.Select[Signal, datetime]:
    """Return the query of the next signal to plan; made once, for it is asked all the time."""
    earlier = aliased(Signal)
    same_lane = sa.exists().where(
        earlier.name == Signal.name,
        earlier.account_id == Signal.account_id,
        earlier.status.in_([SignalStatus.WAITING, SignalStatus.REROUTED]),
        earlier.id < Signal.id,
    )
    accounts = Signal.account_id.in_(sa.bindparam("accounts", expanding=True))
    return (
        sa.select(Signal, utc_now())
        .where(WAITING, Signal.external.is_(False), accounts, ~same_lane)
        .order_by(Signal.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=Signal)
    )


def _check(
    signal: Signal, session: Session, capabilities: Mapping[int, Capabilities], now: datetime, lifetime: timedelta
) -> list[Leg]:
    """Return the legs to trade; every check goes on the signal's trace. Raises NotTradable."""
    age = now - signal.received_at
    seconds, most = f"{age.total_seconds():.3f}", f"{lifetime.total_seconds():.0f}"
    _see(
        signal,
        "age",
        age <= lifetime,
        f"The alert is {seconds} s old; up to {most} s are allowed.",
        age=seconds,
        limit=most,
    )
    if age > lifetime:
        raise NotTradable(SignalStatus.CANCELED, "expired", f"The alert is {seconds} s old, more than {most} s.")
    known = registry.snapshot(fresh=True)
    decision = decide(signal.ticker, known.find_instrument, known.find_pair)
    if decision.status is not SignalStatus.WAITING:  # it was tradable on arrival; the registry has changed since
        signal.trace = [*signal.trace, *decision.trace]
        raise NotTradable(decision.status, decision.reason or "", decision.error_text or "")
    able = capabilities[signal.account_id or 0]
    legs = _size(signal, session, able)
    for leg in legs:
        _check_ability(signal, leg, able)
    return legs


def _size(signal: Signal, session: Session, able: Capabilities) -> list[Leg]:
    symbols = [signal.symbol1] if signal.ticker_type == TickerType.SINGLE else [signal.symbol1, signal.symbol2]
    rows = session.execute(sa.select(Instrument).where(Instrument.symbol.in_(symbols))).scalars()
    instruments = {row.symbol: row for row in rows}
    first = instruments[str(signal.symbol1)]
    side = Side(signal.side)
    if signal.ticker_type == TickerType.SINGLE:
        order_type = OrderType(first.order_type)
        limit = signal.price if order_type is OrderType.LIMIT else None
        return [Leg(1, side, signal.quantity, order_type, limit, first)]
    second = instruments[str(signal.symbol2)]
    hedge_ratio = signal.hedge_ratio or Decimal(1)
    quantity2 = leg2_quantity(signal.quantity, hedge_ratio, able.quantity_step)
    text = (
        f"{signal.quantity} {first.symbol} are hedged by {quantity2} {second.symbol} "
        f"(ratio {hedge_ratio}, steps of {able.quantity_step:f})."
    )
    _see(
        signal,
        "sizing",
        quantity2 > 0,
        text,
        quantity1=signal.quantity,
        quantity2=quantity2,
        hedge_ratio=hedge_ratio,
    )
    # A limit on one leg could leave the other one alone, so legs of a pair go to the market.
    return [
        Leg(1, side, signal.quantity, OrderType.MARKET, None, first),
        Leg(2, side.opposite, quantity2, OrderType.MARKET, None, second),
    ]


def _check_ability(signal: Signal, leg: Leg, able: Capabilities) -> None:
    if leg.order_type not in able.order_types:
        text = f"The broker does not take {leg.order_type} orders, as {leg.instrument.symbol} is registered for."
        _see(signal, "order type", False, text, order_type=leg.order_type)
        raise NotTradable(SignalStatus.ERROR, "order type", text)
    if leg.order_type is OrderType.LIMIT and (leg.limit_price is None or leg.limit_price <= 0):
        text = f"{leg.instrument.symbol} is registered for limit orders, but the alert has no price above 0."
        _see(signal, "limit price", False, text, price=leg.limit_price)
        raise NotTradable(SignalStatus.ERROR, "limit price", text)
    if not is_tradable(leg.quantity, able.quantity_step):
        what = f"{leg.quantity} {leg.instrument.symbol}"
        text = f"{what} cannot be traded; the broker trades steps of {able.quantity_step:f}."
        _see(signal, "quantity", False, text, quantity=leg.quantity, step=able.quantity_step)
        raise NotTradable(SignalStatus.ERROR, "quantity", text)


def _see(signal: Signal, check: str, ok: bool, text: str, **values: object) -> None:
    signal.trace = [*signal.trace, step(check, ok, text, **values)]


def client_order_id(installation: str, signal_id: int, leg: int, generation: int) -> str:
    """Return the id of an order: the same for every try, another for every desk, signal, leg and generation."""
    return str(uuid.uuid5(uuid.UUID(installation), f"{signal_id}:{leg}:{generation}"))


def _make_orders(session: Session, signal: Signal, legs: list[Leg], lifetime: timedelta, actor: str) -> None:
    installation = registry.snapshot().installation
    account = signal.account.name if signal.account else ""
    orders = [
        Order(
            signal_id=signal.id,
            leg=leg.number,
            account_id=signal.account_id,
            symbol=leg.instrument.symbol,
            asset_class=leg.instrument.asset_class,
            currency=leg.instrument.currency,
            side=leg.side,
            quantity=leg.quantity,
            order_type=leg.order_type,
            time_in_force=TimeInForce.DAY,
            limit_price=leg.limit_price,
            client_order_id=client_order_id(installation, signal.id, leg.number, 1),
            status=OrderStatus.QUEUED,
            moves=1,
            lease_epoch=0,
            not_after=signal.received_at + lifetime,
        )
        for leg in legs
    ]
    session.add_all(orders)
    session.flush()  # gives them their ids
    for order in orders:
        session.add(OrderEvent(order_id=order.id, seq=1, to_status=order.status, cause="planned", actor=actor, epoch=0))
    names = ", ".join(f"{leg.side} {leg.quantity} {leg.instrument.symbol} {leg.order_type}" for leg in legs)
    _see(signal, "orders", True, f"Orders for account {account}: {names}.", account=account)
