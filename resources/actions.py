"""/v3/stops, /v3/whatif and what people do by hand to orders, signals and pairs."""

from __future__ import annotations

from flask_jwt_extended import current_user

from domain.errors import NotFound
from resources.base import Access, ApiResource, endpoint
from resources.schemas.actions import (
    HealIn,
    HealOut,
    ReasonIn,
    ResolveIn,
    StopIn,
    StopList,
    StopOut,
    WhatIfIn,
    WhatIfOut,
)
from resources.schemas.fields import symbol_in_path
from resources.schemas.orders import OrderOut
from resources.schemas.signals import SignalOut
from services.execution import cancel_orders, stops
from services.interventions import settle
from services.interventions.heal import heal
from services.planning.what_if import what_if
from services.reports.order_queries import get_order, get_record
from services.reports.signal_queries import get_signal


class Stops(ApiResource):
    @endpoint(Access.TOKEN, "stops", answers={200: StopList}, errors=(401,))
    def get(self) -> StopList:
        """List stops, newest first; those in force and what was done by them."""
        return StopList(stops=[StopOut.of(row) for row in stops.list_stops()])

    @endpoint(Access.ADMIN, "stops", body=StopIn, answers={201: StopOut}, errors=(400, 401, 403))
    def post(self, body: StopIn) -> StopOut:
        """Stop entries, cancel working orders or close positions, of a pair, a stock, an account or the whole desk."""
        return StopOut.of(stops.set_stop(body.form(), _actor()))


class StopRelease(ApiResource):
    @endpoint(Access.ADMIN, "stops", body=ReasonIn, answers={200: StopOut}, errors=(400, 401, 403, 404, 409))
    def post(self, stop: str, body: ReasonIn) -> StopOut:
        """Release a stop."""
        return StopOut.of(stops.release_stop(_number(stop), body.reason, _actor()))


class OrderCancel(ApiResource):
    @endpoint(Access.FRESH, "orders", body=ReasonIn, answers={202: OrderOut}, errors=(400, 401, 404, 409))
    def post(self, order: str, body: ReasonIn) -> OrderOut:
        """Request the cancel of an order, of both legs where it is a pair's; the broker has the last word."""
        row = get_order(order)
        cancel_orders.cancel_order(row.id, body.reason, _actor())
        return OrderOut.of(get_record(str(row.id)))


class OrderResolve(ApiResource):
    @endpoint(Access.ADMIN, "orders", body=ResolveIn, answers={200: OrderOut}, errors=(400, 401, 403, 404, 409))
    def post(self, order: str, body: ResolveIn) -> OrderOut:
        """Record that a MANUAL order is not at the broker, or which one it is there, where no look-up can tell."""
        row = get_order(order)
        if body.broker_order_id is None:
            settle.resolve_order(row.id, body.reason, _actor())
        else:
            settle.identify_order(row.id, body.broker_order_id, body.reason, _actor())
        return OrderOut.of(get_record(str(row.id)))


class SignalSettle(ApiResource):
    @endpoint(Access.ADMIN, "signals", body=ReasonIn, answers={200: SignalOut}, errors=(400, 401, 403, 404, 409))
    def post(self, rowid: str, body: ReasonIn) -> SignalOut:
        """Close a 'critical err' that a person has dealt with."""
        number = _number(rowid)
        settle.settle_signal(number, body.reason, _actor())
        return SignalOut.of(get_signal(number))


class DriftHeal(ApiResource):
    @endpoint(Access.ADMIN, "reports", body=HealIn, answers={201: HealOut}, errors=(400, 401, 403, 404, 409))
    def post(self, body: HealIn) -> HealOut:
        """Send the order that /v3/drift proposes; the same state again finds the same signal."""
        rowid = heal(symbol_in_path(body.pair), body.account, body.state, _actor(), body.reason)
        return HealOut(message="The healing order is on its way.", rowid=rowid)


class WhatWouldHappen(ApiResource):
    @endpoint(Access.TOKEN, "signals", body=WhatIfIn, answers={200: WhatIfOut}, errors=(400, 401))
    def post(self, body: WhatIfIn) -> WhatIfOut:
        """Return what would become of an alert that came now; nothing is stored or sent."""
        return WhatIfOut.of(what_if(body.question()))


def _actor() -> str:
    return f"user {current_user.username}"


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise NotFound("item not found.")
    return int(text)
