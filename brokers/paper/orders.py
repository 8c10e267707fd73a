"""The life of one paper order. Pure: the moment is passed in."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, localcontext

from brokers.errors import OrderRejected
from brokers.paper.attached import Lead
from brokers.paper.market import Session
from brokers.paper.positions import Fill, commission_of
from brokers.paper.pricing import (
    EXACT,
    Price,
    Quote,
    alert_leg_price,
    limit_price,
    market_price,
)
from brokers.paper.rules.requests import AT_ONCE, AUCTIONS, check_request, end_of_day
from brokers.paper.settings import PaperSettings
from domain.enums import OrderType, Side, TimeInForce
from domain.messages import FillReport, OrderReport, OrderRequest, Trail
from domain.order_status import OrderStatus


@dataclass(slots=True, kw_only=True)
class Order:
    """One order at the venue, with its fills; it works as long as `closed_at` is None.

    One with `attached_to` is leg 2 of a pair: it trades only what the fills of leg 1, its `lead`, call for.
    """

    account: str
    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    order_type: OrderType
    time_in_force: TimeInForce
    limit_price: Decimal | None
    alert_price: Price | None  # of this leg
    status: OrderStatus
    changed_at: datetime
    reason: str = ""  # why it ended unfilled
    id: int = 0  # given by the store
    visible_at: datetime | None = None  # look-ups do not see it before
    due_at: datetime | None = None  # it does not trade before; None = nothing to wait for but a quote
    expires_at: datetime | None = None
    closed_at: datetime | None = None
    next_fill: Decimal | None = None  # the next fill takes at most this
    held: bool = False  # it waits for the market to open; due_at says when, None = nobody knows
    attached_to: str | None = None  # client order id of leg 1
    hedge_ratio: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Trail | None = None
    best_price: Decimal | None = None  # that a trailing stop has seen: the highest of a sale, the lowest of a buy
    triggered: bool = False  # a quote has come to its stop
    extended_hours: bool = False  # it trades while the market is closed too
    lead: Lead | None = None  # not stored: whoever lets it trade looks it up first
    fills: list[Fill] = field(default_factory=list)

    @property
    def filled(self) -> Decimal:
        """Return the quantity that is filled."""
        with localcontext(EXACT):
            return sum((fill.quantity for fill in self.fills), Decimal(0))

    @property
    def remaining(self) -> Decimal:
        """Return the quantity that is not filled yet."""
        return EXACT.subtract(self.quantity, self.filled)

    @property
    def wanted(self) -> Decimal:
        """Return what it would fill now: all that remains, or what leg 1 calls for."""
        if self.attached_to is None:
            return self.remaining
        if self.lead is None or self.hedge_ratio is None:
            return Decimal(0)
        return self.lead.owes(self.hedge_ratio, self.quantity, self.filled)

    @property
    def worst_price(self) -> Decimal | None:
        """Return what a share of it counts for as long as it works: its limit, else its stop; None = the market."""
        return self.stop_price if self.limit_price is None else self.limit_price

    @property
    def has_stop(self) -> bool:
        """Return True if it waits for a stop before it trades."""
        return self.stop_price is not None or self.trail is not None

    def as_lead(self, step: Decimal) -> Lead:
        """Return what an order that is attached to this one needs to know; `step` of its own symbol."""
        is_complete = self.status is OrderStatus.FILLED
        is_over = self.closed_at is not None and not is_complete
        return Lead(filled=self.filled, is_complete=is_complete, is_over=is_over, step=step)

    def price(self, quote: Quote | None, slippage_bps: Decimal) -> Price | None:
        """Return what it trades at now, None = it has to wait."""
        if self.has_stop and not self.triggered:
            return None
        if self.limit_price is not None:
            return limit_price(self.side, self.limit_price, quote, self.alert_price)
        return market_price(self.side, quote, self.alert_price, slippage_bps)

    def enter(self, quote: Quote | None, session: Session, settings: PaperSettings, at: datetime) -> None:
        """Trade at `at` if the market is open then, else wait for its opening; one for an auction waits for that."""
        if self.time_in_force in AUCTIONS and not session.is_always_open:
            self.held, self.due_at = True, self.waits_until(session, at)
        elif session.is_open_at(at) or self.extended_hours:
            self.held = False
            if self.time_in_force is TimeInForce.DAY and self.expires_at is None:
                self.expires_at = end_of_day(at)  # its day is the one on which the market opens
            self.trade(quote, settings, at)
        else:
            self.hold(session, at)

    def hold(self, session: Session, at: datetime) -> None:
        """Wait for the opening of a market that is closed at `at`, unless there is nothing to wait for."""
        self.settle_ioc(at)
        if not self.wanted:
            self.settle_attached(at)
        if self.closed_at is None:
            self.held, self.due_at = True, self.waits_until(session, at)

    def waits_until(self, session: Session, at: datetime, was: Session | None = None) -> datetime | None:
        """Return when one that waits for the market trades, None = nobody knows; `was` is the session up to now."""
        if session.is_always_open:
            return at
        is_open, was_open = session.is_open_at(at), was is not None and was.is_open_at(at)
        if self.time_in_force is TimeInForce.CLS:
            return at if was_open and not is_open else session.closes_after(at)
        opens = is_open and (self.time_in_force is not TimeInForce.OPG or (was is not None and not was_open))
        return at if opens else session.opens_after(at)

    def follow(self, quote: Quote | None, session: Session, settings: PaperSettings, at: datetime) -> None:
        """Do what a change of leg 1 at `at` calls for, unless it trades only later."""
        if self.due_at is None:
            self.enter(quote, session, settings, at)
        elif not self.wanted:
            self.settle_attached(at)

    def trade(self, quote: Quote | None, settings: PaperSettings, at: datetime) -> None:
        """Fill what can be filled at `at`; what an IOC order, or leg 2 of an ended leg 1, has left then ends."""
        self.look_at_stop(quote)
        wanted = self.wanted
        if self.time_in_force is TimeInForce.FOK and self.next_fill is not None and self.next_fill < wanted:
            wanted = Decimal(0)
        if wanted and (price := self.price(quote, settings.slippage_bps)) is not None:
            self.fill(min(wanted, self.next_fill or wanted), price, settings.commission, at)
            self.next_fill = None
        self.settle_ioc(at)
        self.settle_attached(at)

    def look_at_stop(self, quote: Quote | None) -> None:
        """Let a quote that has come to the stop trigger the order, or a trailing stop follow it; it waits for one."""
        if quote is None or self.triggered or not self.has_stop:
            return
        touch, stop, best = quote.touch(self.side), self.stop_price, max if self.side is Side.SELL else min
        if self.trail is not None:
            self.best_price = touch if self.best_price is None else best(self.best_price, touch)
            stop = self.trail.stop(self.side, self.best_price)
        if stop is not None:
            self.triggered = touch >= stop if self.side is Side.BUY else touch <= stop

    def settle_ioc(self, at: datetime) -> None:
        """Let an order that trades at once or never expire; leg 2 may wait as long as leg 1 does."""
        if self.time_in_force in AT_ONCE and self.attached_to is None and self.closed_at is None:
            self.close(OrderStatus.EXPIRED, at, AT_ONCE[self.time_in_force])

    def settle_attached(self, at: datetime) -> None:
        """Cancel what leg 2 has left once leg 1 ended without being filled."""
        if self.lead is not None and self.lead.is_over and self.closed_at is None:
            self.close(OrderStatus.CANCELED, at, "the order it is attached to has ended")

    def fill(self, quantity: Decimal, price: Price, commission: Decimal, at: datetime) -> None:
        """Add one fill; one that crossed a cancel leaves the status alone unless it completes the order."""
        self.fills.append(
            Fill(
                sequence=len(self.fills) + 1,
                quantity=quantity,
                price=price.amount,
                commission=commission_of(quantity, commission),
                at=at,
                synthetic=price.synthetic,
            )
        )
        self.changed_at = at
        if self.remaining == 0:
            self.close(OrderStatus.FILLED, at)
        elif self.closed_at is None:
            self.status = OrderStatus.PARTIALLY_FILLED

    def catch_up(self, quote: Quote | None, session: Session, settings: PaperSettings, now: datetime) -> None:
        """Do what fell due up to `now`: trade at the due time, end at the end of the day."""
        while (
            self.due_at is not None
            and self.due_at <= now
            and (self.expires_at is None or self.due_at < self.expires_at)
        ):
            due_at, self.due_at = self.due_at, None
            if self.held and self.time_in_force in AUCTIONS:
                self.trade(quote, settings, due_at)
            else:
                self.enter(quote, session, settings, due_at)
        if self.closed_at is None and self.expires_at is not None and self.expires_at <= now:
            self.close(OrderStatus.EXPIRED, self.expires_at, "end of the day")
        self.changed_at = now  # those who ask for changes since an earlier answer must see it

    def close(self, status: OrderStatus, at: datetime, reason: str = "") -> None:
        """End the order."""
        self.status, self.changed_at, self.closed_at, self.reason = status, at, at, reason
        self.due_at, self.held = None, False

    def report(self) -> OrderReport:
        """Return what the venue tells about it."""
        return OrderReport(
            client_order_id=self.client_order_id,
            broker_order_id=str(self.id),
            symbol=self.symbol,
            side=self.side,
            quantity=self.quantity,
            status=self.status,
            at=self.changed_at,
            reason=self.reason,
            fills=tuple(
                FillReport(
                    execution_id=f"{self.id}-{fill.sequence}",
                    quantity=fill.quantity,
                    price=fill.price,
                    commission=fill.commission,
                    at=fill.at,
                    synthetic=fill.synthetic,
                )
                for fill in self.fills
            ),
        )


def new_order(
    request: OrderRequest,
    quote: Quote | None,
    session: Session,
    settings: PaperSettings,
    at: datetime,
    *,
    last_price: Decimal | None = None,
) -> Order:
    """Return the accepted order, without an id; raises OrderRejected naming the rule it breaks.

    A market order trades at the quote, else at the alert's price, else at `last_price`, that of the last fill.
    """
    check_request(request)
    needs_price = request.order_type is OrderType.MARKET and quote is None
    try:
        alert_price = alert_leg_price(request.alert_price, settings.reference_price)
    except OrderRejected:
        if needs_price:
            raise
        alert_price = None
    if needs_price and alert_price is None:
        if last_price is None:
            raise OrderRejected("no price")
        alert_price = Price(last_price, synthetic=True)
    trades_now = session.is_open_at(at) or request.extended_hours
    return Order(
        account=request.account,
        client_order_id=request.client_order_id,
        symbol=request.symbol,
        side=request.side,
        quantity=request.quantity,
        order_type=request.order_type,
        time_in_force=request.time_in_force,
        limit_price=request.limit_price if request.order_type.has_limit else None,
        stop_price=request.stop_price if request.order_type.has_stop else None,
        trail=request.trail if request.order_type.has_trail else None,
        extended_hours=request.extended_hours,
        alert_price=alert_price,
        status=OrderStatus.ACCEPTED,
        changed_at=at,
        expires_at=end_of_day(at) if request.time_in_force is TimeInForce.DAY and trades_now else None,
        attached_to=request.attached_to,
        hedge_ratio=None if request.attached_to is None else request.hedge_ratio,
    )


def lead_of(leg1: Order | None, step: Decimal) -> Lead:
    """Return what leg 2, in steps of `step`, needs to know of leg 1; OrderRejected if nothing can be attached to it."""
    if leg1 is None:
        raise OrderRejected("attached to an order that does not exist")
    if leg1.attached_to is not None:
        raise OrderRejected("attached to an order that is attached itself")
    return leg1.as_lead(step)
