"""What people do by hand: stops, cancels, settlements, healing orders; and the question what would happen."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from domain.alert import Alert
from domain.enums import Scope, StopLevel
from domain.planning.values import PlanLeg
from models import Stop
from resources.schemas.alerts import AlertIn
from resources.schemas.fields import Closed, Out, OutNumber, Secret, show_iso
from services.execution.stops import StopForm
from services.planning.what_if import After, WhatIf


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be plain text on one line")
    return text


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_printable)
]
BrokerOrderId = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64), AfterValidator(_printable)
]
BookName = Annotated[str, StringConstraints(strip_whitespace=True, max_length=129), AfterValidator(_printable)]


class ReasonIn(Closed):
    """Why somebody does something by hand; it goes on record."""

    reason: Reason


class ResolveIn(ReasonIn):
    """What a person has seen at the broker of an order of which no look-up can tell."""

    broker_order_id: BrokerOrderId | None = Field(
        None, description="which of the broker's orders it is; without it the order is not there"
    )


class StopIn(Closed):
    level: Annotated[StopLevel, BeforeValidator(_lower)] = Field(
        description="entries: nothing is opened; cancel: and working orders are canceled; flatten: and positions closed"
    )
    scope: Annotated[Scope, BeforeValidator(_lower)] = Scope.DESK
    name: BookName = Field("", description="of the account, stock or pair; empty for the whole desk")
    reason: Reason

    def form(self) -> StopForm:
        """Return the stop in the desk's terms."""
        return StopForm(level=self.level, scope=self.scope, name=self.name, reason=self.reason)


class StopOut(Out):
    stop: int
    level: str
    scope: str
    name: str
    reason: str
    actor: str
    at: str
    in_force: bool
    progress: str | None
    done_at: str | None
    released_at: str | None
    released_by: str | None
    release_reason: str | None

    @classmethod
    def of(cls, row: Stop) -> StopOut:
        """Return the stop in the words of the edge."""
        return cls(
            stop=row.id,
            level=row.level,
            scope=row.scope,
            name=row.scope_name,
            reason=row.reason,
            actor=row.actor,
            at=show_iso(row.at),
            in_force=row.released_at is None,
            progress=row.progress,
            done_at=show_iso(row.done_at) if row.done_at else None,
            released_at=show_iso(row.released_at) if row.released_at else None,
            released_by=row.released_by,
            release_reason=row.release_reason,
        )


class StopList(Out):
    stops: list[StopOut]


class HealIn(Closed):
    pair: BookName
    account: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]
    state: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] = Field(
        description="the state for which the order was proposed; another one since then is refused"
    )
    reason: Reason


class HealOut(Out):
    message: str
    rowid: int


class WhatIfIn(AlertIn):
    """An alert as the webhook takes it; the passphrase may be absent and is not looked at."""

    passphrase: Secret | None = Field(None, repr=False)  # type: ignore[assignment]

    def question(self) -> Alert:
        """Return the alert in the desk's terms."""
        return self.alert("")


class WhatIfOrder(Out):
    leg: int
    symbol: str
    side: str
    quantity: OutNumber
    order_type: str
    time_in_force: str
    limit_price: OutNumber | None
    stop_price: OutNumber | None
    trail_percent: OutNumber | None
    trail_price: OutNumber | None
    extended_hours: bool
    is_exit: bool

    @classmethod
    def of(cls, leg: PlanLeg) -> WhatIfOrder:
        """Return the order that would be sent."""
        return cls(
            leg=leg.number,
            symbol=leg.symbol,
            side=leg.side,
            quantity=leg.quantity,
            order_type=leg.terms.order_type,
            time_in_force=leg.terms.time_in_force,
            limit_price=leg.terms.limit_price,
            stop_price=leg.terms.stop_price,
            trail_percent=None if leg.terms.trail is None else leg.terms.trail.percent,
            trail_price=None if leg.terms.trail is None else leg.terms.trail.price,
            extended_hours=leg.terms.extended_hours,
            is_exit=leg.is_exit,
        )


class WhatIfBook(Out):
    symbol: str
    held: OutNumber
    working: OutNumber
    after: OutNumber

    @classmethod
    def of(cls, line: After) -> WhatIfBook:
        """Return a symbol of the book before and after."""
        return cls(symbol=line.symbol, held=line.held, working=line.working, after=line.after)


class WhatIfOut(Out):
    """What would become of an alert that came now."""

    order_status: str
    status_msg: str | None
    error_msg: str | None
    name: str | None
    account: str | None
    held_until: str | None
    leg_policy: str | None
    on_leg_failure: str | None
    orders: list[WhatIfOrder]
    book: list[WhatIfBook]
    trace: list[dict[str, Any]]

    @classmethod
    def of(cls, result: WhatIf) -> WhatIfOut:
        """Return the answer in the words of v3."""
        return cls(
            order_status=result.status,
            status_msg=result.reason,
            error_msg=result.text,
            name=result.name,
            account=result.account,
            held_until=show_iso(result.held_until) if result.held_until else None,
            leg_policy=result.policy,
            on_leg_failure=result.on_failure,
            orders=[WhatIfOrder.of(leg) for leg in result.orders],
            book=[WhatIfBook.of(line) for line in result.book],
            trace=result.trace,
        )
