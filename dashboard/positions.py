"""The page of positions: what each account holds, how its pairs are hedged, and what it earned."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue

from dashboard.formatting import Moment, moment, number
from dashboard.forms import Form, sent_form
from dashboard.viewer import actor, admins_only, members_only
from dashboard.views.positions import account_block, proposals
from dashboard.views.results import result_lines, slip_lines
from dashboard.views.told_positions import told_lines
from domain.errors import NotFound
from domain.order_status import CLOSED
from extensions import database_time
from services.catalog.orphaned_positions import list_stranded
from services.interventions.heal import heal
from services.reports.account_views import AccountView
from services.reports.executor_figures import told_by_account
from services.reports.holdings import read_holdings

bp = Blueprint("positions", __name__)

MOST_FOREIGN = 5  # of one account, named one by one


@dataclass(frozen=True, slots=True)
class Warn:
    """Something at an account that does not agree with the desk's own book."""

    key: str
    text: str
    since: Moment | None


@bp.get("/positions")
@members_only
def positions() -> ResponseReturnValue:
    """Show positions, hedges and results."""
    return _page(Form())


@bp.post("/positions")
@admins_only
def heal_deed() -> ResponseReturnValue:
    """Send the order that was proposed for a drifted pair."""
    form = sent_form()
    pair, account, state = (request.form.get(name, "") for name in ("pair", "account", "state"))
    if form.deed != "heal" or not all(text.isprintable() for text in (pair, account, state)):
        abort(400, "This form is not known.")
    reason = form.reason()
    form.confirm_password()

    def act() -> str:
        rowid = heal(pair, account, state, actor(), reason)
        return f"The order that heals {pair} was given to the desk as signal {rowid}."

    try:
        done = form.run(act, url_for("positions.positions"))
    except NotFound:
        form.refuse({"form": f"{pair} holds nothing at {account} any more."}, 409)
        done = None
    return done if done is not None else form.answer(_page(form))


def _page(form: Form) -> str:
    holdings = read_holdings()
    now = database_time()
    offered = proposals(holdings)
    lost = form.deed == "heal" and form.subject not in {each.state for each in offered}
    return render_template(
        "positions.html",
        now=now,
        warnings=[*_stranded(), *(warning for held in holdings for warning in _warnings(held.view, now))],
        proposals=offered,
        accounts=[account_block(held, now) for held in holdings],
        told={f"account-{account_id}": told_lines(account_id, rows) for account_id, rows in told_by_account().items()},
        results=result_lines(now),
        slips=slip_lines(now),
        form=form,
        refusal_text=form.messages.get("form") if lost else None,
    )


def _stranded() -> list[Warn]:
    return [
        Warn(f"stranded-{each.account}-{each.name}-{each.symbol}", f"No exit reaches {each}.", None)
        for each in list_stranded()
    ]


def _warnings(view: AccountView, now: datetime) -> list[Warn]:
    account = view.account.name
    found = [
        Warn(
            f"difference-{view.account.id}-{each.symbol}",
            f"{account}: the broker holds {number(each.theirs)} {each.symbol}, the desk's fills add up to "
            f"{number(each.ours)}.",
            moment(each.first_seen_at, now),
        )
        for each in view.differences
    ]
    # One that has ended without a fill has changed nothing.
    working = [order for order in view.foreign_orders if order.status not in CLOSED or order.filled_quantity]
    for order in working[:MOST_FOREIGN]:
        text = (
            f"{account}: an order that is not the desk's, {order.side} {number(order.quantity)} {order.symbol}, "
            f"{order.status}, {number(order.filled_quantity)} filled. It is left alone."
        )
        key = f"foreign-{view.account.id}-{order.broker_order_id}"
        found.append(Warn(key, text, moment(order.first_seen_at, now)))
    if len(working) > MOST_FOREIGN:
        rest = f"{account}: {len(working) - MOST_FOREIGN} more orders there are not the desk's."
        found.append(Warn(f"foreign-{view.account.id}", rest, None))
    return found
