"""The pages of orders: the list, one order, and what a person may do with it."""

from __future__ import annotations

from flask import Blueprint, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue

from dashboard.forms import Form, sent_form
from dashboard.order_filters import SHOW, OrderFilters, read_order_filters
from dashboard.viewer import actor, admins_only, members_only
from dashboard.views.orders import order_detail, order_rows
from domain.errors import NotFound
from domain.order_status import OrderStatus
from extensions import database_time
from services.execution.cancel_orders import cancel_order
from services.interventions.settle import identify_order, resolve_order
from services.paging import account_names
from services.reports import order_queries, signal_queries
from services.reports.unmonitored_accounts import unwatched_by_account

bp = Blueprint("orders", __name__)

PAGE = 50
MOST_ID = 64  # characters of an id at a broker
NAMES = 20


@bp.get("/orders")
@members_only
def orders() -> ResponseReturnValue:
    """List orders page by page, newest first, with filters; open ones alone unless more are asked for."""
    accounts = account_names()
    filters = read_order_filters(request.args, list(accounts.values()))
    page = None if filters.messages else order_queries.list_orders(filters.wanted, PAGE, filters.after)
    now = database_time()
    shown = render_template(
        "orders.html",
        now=now,
        filters=filters,
        statuses=list(OrderStatus),
        show=SHOW,
        accounts=list(accounts.values()),
        names=signal_queries.latest_names(NAMES),
        rows=order_rows(page.rows, now, unwatched_by_account()) if page else [],
        older=page.next_after if page else None,
        nothing=_nothing(filters),
    )
    return shown, 400 if filters.messages else 200


def _nothing(filters: OrderFilters) -> str:
    if filters.only_open:
        return "No open order fits these filters." if filters.given else "No order is open."
    return "No order fits these filters." if set(filters.given) - {"show"} else "No orders yet."


@bp.get("/orders/<string:order_id>")
@members_only
def order(order_id: str) -> ResponseReturnValue:
    """Show everything about one order."""
    return _page(order_id, Form())


@bp.post("/orders/<string:order_id>")
@admins_only
def order_deed(order_id: str) -> ResponseReturnValue:
    """Cancel an order, or say what a person has seen at the broker of one that no look-up can find."""
    number, form = _number(order_id), sent_form()
    reason = form.reason()
    broker_order_id = form.text("broker_order_id", MOST_ID) if form.deed == "identify" else ""

    def act() -> str:
        if form.deed == "resolve":
            resolve_order(number, reason, actor())
            return "Put on record: the broker does not have this order."
        if form.deed == "identify":
            identify_order(number, broker_order_id, reason, actor())
            return f"Put on record: it is the broker's order {broker_order_id}, which is looked up now."
        canceled = cancel_order(number, reason, actor())
        if canceled.status == OrderStatus.CANCELED:
            return "The order is canceled."
        return "The end of the order was asked for; the broker decides."

    if form.deed not in ("cancel", "resolve", "identify"):
        abort(400, "This form is not known.")
    try:
        done = form.run(act, url_for("orders.order", order_id=number))
    except NotFound:
        abort(404)
    return done if done is not None else form.answer(_page(order_id, form))


def _page(order_id: str, form: Form) -> str:
    try:
        record = order_queries.get_record(str(_number(order_id)))
    except NotFound:
        abort(404)
    now = database_time()
    return render_template("order.html", now=now, order=order_detail(record, now, unwatched_by_account()), form=form)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        abort(404)
    return int(text)
