"""The page of controls: stops, the checks and their limits, and the journal of what was done by hand."""

from __future__ import annotations

from flask import Blueprint, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue

from dashboard.banners import stop_text
from dashboard.forms import Form, carry_out
from dashboard.viewer import actor, admins_only, members_only
from dashboard.views import checks as check_view
from dashboard.views.controls import LEVELS, SCOPES, journal_line, stop_view
from domain.checks.catalog import CHECKS
from domain.enums import CheckMode, Scope, StopLevel
from domain.errors import Conflict, NotFound
from extensions import database_time
from services.catalog.check_limits import clear_rule, list_rules, set_rule
from services.catalog.pairs import list_pairs
from services.catalog.stocks import list_stocks
from services.execution.stops import StopForm, list_stops, release_stop, set_stop
from services.paging import account_names
from services.reports.journal_queries import list_journal

bp = Blueprint("controls", __name__)

JOURNAL = 30
MOST_NAMES = 500
MAX_NAME = 129


@bp.get("/controls")
@members_only
def controls() -> ResponseReturnValue:
    """Show stops, the form to set one, and the journal."""
    return _page(Form())


@bp.post("/controls")
@admins_only
def deed() -> ResponseReturnValue:
    """Set or release a stop."""
    deeds = {"stop": _set_stop, "release": _release, "rule": _set_rule, "clear": _clear_rule}
    return carry_out(deeds, _page)


def _set_stop(form: Form) -> ResponseReturnValue | None:
    level, scope = form.word("level", StopLevel), form.word("scope", Scope)
    name, reason = form.text("name", MAX_NAME, needed=False), form.reason()
    if level is not StopLevel.ENTRIES:
        form.confirm_password()

    def act() -> str:
        assert level is not None and scope is not None  # noqa: S101, PT018 - else there is a message
        return f"{stop_text(set_stop(StopForm(level=level, scope=scope, name=name, reason=reason), actor()))}."

    return form.run(act, url_for("controls.controls"))


def _release(form: Form) -> ResponseReturnValue | None:
    if not (form.subject.isascii() and form.subject.isdigit() and len(form.subject) <= 9):
        abort(404)
    reason = form.reason()
    form.confirm_password()

    def act() -> str:
        stop = release_stop(int(form.subject), reason, actor())
        return f"Released: stop {stop.id}. What it covered trades again."

    return form.run(act, url_for("controls.controls"))


def _set_rule(form: Form) -> ResponseReturnValue | None:
    rule, reason = check_view.read_rule(form), form.reason()

    def act() -> str:
        assert rule is not None  # noqa: S101 - else there is a message
        set_rule(rule, actor(), reason)
        return f"In force: the check {rule.check} as set for {rule.where}."

    return form.run(act, url_for("controls.controls"))


def _clear_rule(form: Form) -> ResponseReturnValue | None:
    rule, reason = check_view.read_rule(form), form.reason()

    def act() -> str:
        assert rule is not None  # noqa: S101 - else there is a message
        try:
            clear_rule(rule.check, rule.scope, rule.scope_name, actor(), reason)
        except NotFound:
            raise Conflict(f"No rule of {rule.check} is set for {rule.where}.") from None
        return f"Cleared: the check {rule.check} of {rule.where} is left to the wider scope."

    return form.run(act, url_for("controls.controls"))


def _page(form: Form) -> str:
    stops = list_stops(in_force=True)
    after = request.args.get("after", "") if request.method == "GET" else ""
    if after and not (after.isascii() and after.isdigit() and len(after) <= 18):
        abort(400, "This page of the journal does not exist.")
    page = list_journal(JOURNAL, int(after) if after else None)
    look = check_view.read_look(request.args if request.method == "GET" else {})
    checks, rules = check_view.lines_for(look), list_rules()
    now = database_time()
    gone = form.deed == "release" and form.subject not in {str(stop.id) for stop in stops}
    return render_template(
        "controls.html",
        now=now,
        stops=[stop_view(stop, now) for stop in stops],
        levels=LEVELS,
        scopes=SCOPES,
        names=_names(),
        look=look,
        checks=checks,
        rules=check_view.rule_lines(rules, now),
        rule_form=form if form.deed in ("rule", "clear") else check_view.begin(look, rules),
        modes=list(CheckMode),
        choices=check_view.choices(),
        catalog={name: spec.title for name, spec in CHECKS.items() if spec.scopes},
        journal=[journal_line(entry, now) for entry in page.rows],
        older=page.next_after,
        after=after,
        form=form,
        refusal_text=form.messages.get("form") if gone else None,
    )


def _names() -> list[tuple[str, str]]:
    """Return what may be stopped: name and what it is."""
    names = [(name, "account") for name in account_names().values()]
    names += [(pair.name, "pair") for pair in list_pairs(MOST_NAMES)]
    return names + [(stock.symbol, "stock") for stock in list_stocks(MOST_NAMES)]
