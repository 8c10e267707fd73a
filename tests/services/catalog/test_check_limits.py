"""Limits are set, cleared and known to every process at once; what is wrong is named."""

from decimal import Decimal

import pytest
import sqlalchemy as sa

from domain.checks.rules import Subject
from domain.enums import Activity, CheckMode, Scope, TickerType
from domain.errors import InvalidInput, NotFound
from domain.intake import decide
from extensions import db
from models import CheckRule, JournalEntry
from services.catalog import check_limits, pairs, snapshots, stocks
from services.catalog.check_limits import RuleForm
from tests.support.factories import TESTER, count_rows, make_pair, make_stock

D = Decimal
pytestmark = pytest.mark.usefixtures("context")
OFF, WARN, REFUSE = CheckMode.OFF, CheckMode.WARN, CheckMode.REFUSE


def set_rule(check, **more):
    return check_limits.set_rule(RuleForm(check=check, **more), "a person")


def test_a_rule_is_in_force_in_every_process_at_once(context, other_app):
    with other_app.app_context():
        before = snapshots.snapshot()
    set_rule("max_quantity", limit=D("12.5"), mode=WARN)
    with other_app.app_context():
        after = snapshots.snapshot(fresh=True)
    assert (before.rules.limit("max_quantity", Subject()), after.version) == (None, before.version + 1)
    assert after.rules.limit("max_quantity", Subject()).limit == D("12.5")
    assert after.rules.mode("max_quantity", Subject()) is WARN


def test_a_rule_takes_the_place_of_the_one_before(context):
    set_rule("max_quantity", limit=D(5), mode=WARN)
    row = set_rule("max_quantity", limit=D(7))
    assert (row.mode, row.limit_value, row.changed_by) == (None, 7, "a person")
    assert len(check_limits.list_rules()) == 1


def test_each_change_is_in_the_journal(app):
    make_stock(app, "AAA")
    set_rule("max_quantity", scope=Scope.STOCK, scope_name="AAA", limit=D("7.5"), mode=REFUSE)
    check_limits.clear_rule("max_quantity", Scope.STOCK, "AAA", "another person")
    done = sa.select(JournalEntry).where(JournalEntry.actor != TESTER.name).order_by(JournalEntry.id)
    entries = db.session.execute(done).scalars().all()
    cleared = "max_quantity: mode refuse, limit 7.5 -> left to the wider scope"
    assert [(e.actor, e.action, e.subject, e.text) for e in entries] == [
        ("a person", "limit set", "max_quantity of stock AAA", "max_quantity: nothing set -> mode refuse, limit 7.5"),
        ("another person", "limit cleared", "max_quantity of stock AAA", cleared),
    ]


def test_a_cleared_rule_is_gone(context):
    set_rule("pyramiding", mode=REFUSE)
    check_limits.clear_rule("pyramiding", Scope.DESK, "", "a person")
    assert snapshots.snapshot(fresh=True).rules.mode("pyramiding", Subject()) is OFF
    with pytest.raises(NotFound):
        check_limits.clear_rule("pyramiding", Scope.DESK, "", "a person")


@pytest.mark.parametrize(
    ("form", "fields"),
    [
        ({"check": "nothing", "mode": WARN}, {"check"}),
        ({"check": "stop", "mode": OFF}, {"check"}),
        ({"check": "sizing", "mode": OFF}, {"mode"}),
        ({"check": "hedge", "mode": WARN, "scope": Scope.STOCK, "scope_name": "AAA"}, {"scope"}),
        ({"check": "active", "mode": WARN, "scope_name": "AAA"}, {"name"}),
        ({"check": "active", "mode": WARN, "scope": Scope.STOCK}, {"name"}),
        ({"check": "active", "mode": WARN, "scope": Scope.STOCK, "scope_name": "NONE"}, {"name"}),
        ({"check": "active", "mode": WARN, "scope": Scope.PAIR, "scope_name": "AAA"}, {"name"}),
        ({"check": "active", "mode": WARN, "scope": Scope.ACCOUNT, "scope_name": "mine"}, {"name"}),
        ({"check": "active"}, {"mode"}),
        ({"check": "active", "limit": D(1)}, {"limit"}),
        ({"check": "active", "choice": "strict"}, {"choice"}),
        ({"check": "quote_age", "mode": WARN}, {"mode"}),
        ({"check": "max_quantity", "limit": D(-1)}, {"limit"}),
        ({"check": "age", "limit": D("1.5")}, {"limit"}),
        ({"check": "age", "limit": D(0)}, {"limit"}),
        ({"check": "orders_per_minute", "limit": D(1001)}, {"limit"}),
        ({"check": "trading_hours", "choice": "wait"}, {"choice"}),
        ({"check": "price_deviation", "limit": D(-1), "choice": "wait"}, {"limit", "choice"}),
    ],
)
def test_what_is_wrong_is_named_and_nothing_changes(app, form, fields):
    make_stock(app, "AAA")
    before, version = count_rows(app), snapshots.snapshot(fresh=True).version
    with pytest.raises(InvalidInput) as wrong:
        set_rule(**form)
    assert set(wrong.value.fields) == fields
    assert (count_rows(app), snapshots.snapshot(fresh=True).version) == (before, version)


def test_the_rules_of_a_stock_or_pair_go_with_it(app):
    make_stock(app, "AAA", activity=Activity.PASSIVE)
    make_pair(app, "BBB-CCC")
    set_rule("active", scope=Scope.STOCK, scope_name="AAA", mode=OFF)
    set_rule("active", scope=Scope.PAIR, scope_name="BBB-CCC", mode=OFF)
    set_rule("active", scope=Scope.ACCOUNT, scope_name="paper", mode=WARN)
    stocks.delete_stock("AAA", TESTER)
    pairs.delete_pair("BBB-CCC", TESTER)
    assert [row.scope_name for row in check_limits.list_rules()] == ["paper"]


def test_what_is_in_force_is_told_with_where_it_comes_from(app):
    make_stock(app, "AAA", account="external")
    set_rule("daily_loss", limit=D(100))
    set_rule("daily_loss", limit=D(50), scope=Scope.ACCOUNT, scope_name="external", mode=WARN)
    found = {check.name: check for check in check_limits.in_force(stock="AAA")}["daily_loss"]
    assert (found.mode, found.mode_from.scope, found.limit, found.limit_from.scope) == (WARN, "account", 50, "account")
    assert [(c.limit, c.where) for c in found.ceilings] == [(50, "account external"), (100, "the desk")]
    desk = {check.name: check for check in check_limits.in_force()}
    assert (desk["daily_loss"].limit, desk["daily_loss"].mode_from, desk["quote_age"].mode) == (100, None, None)


def test_a_row_of_an_unknown_check_is_passed_over(context):
    set_rule("pyramiding", mode=REFUSE)
    db.session.execute(sa.update(CheckRule).values(check_name="of_a_later_version"))
    db.session.commit()
    registry_of_now = snapshots.snapshot(fresh=True)
    context.extensions.pop("registry")
    assert snapshots.snapshot().version == registry_of_now.version
    assert snapshots.snapshot().rules.mode("pyramiding", Subject()) is OFF


def look(ticker):
    known = snapshots.snapshot(fresh=True)
    return decide(ticker, known.find_instrument, known.find_pair, known.terms)


def test_the_checks_of_the_registry_can_be_switched(app):
    make_stock(app, "OLD", activity=Activity.PASSIVE)
    make_pair(app, "BBB-CCC", "2")
    assert [look(t).reason for t in ("OLD", "NEW", "BBB-CCC")] == ["passive ticker", "unknown ticker", "wrong hedge"]
    for check in ("active", "registered", "hedge"):
        set_rule(check, mode=WARN)
    warned = [look(t) for t in ("OLD", "NEW", "BBB-CCC")]
    assert [d.status for d in warned] == ["waiting"] * 3
    assert [d.trace[-1]["values"]["outcome"] for d in warned] == ["warning"] * 3
    for check in ("active", "registered", "hedge"):
        set_rule(check, mode=OFF)
    off = [look(t) for t in ("OLD", "NEW", "BBB-CCC")]
    assert [d.status for d in off] == ["waiting"] * 3
    assert {step["check"] for d in off for step in d.trace} == {"ticker"}


def test_an_unregistered_ticker_goes_to_the_default_account(context):
    set_rule("registered", mode=OFF)
    decision = look("NEW")
    default = snapshots.snapshot().default_account
    assert (decision.account_id, decision.external) == (default.id, False)


def test_a_pair_s_own_word_goes_before_the_desk_s(app):
    make_pair(app, "BBB-CCC", "2")
    set_rule("hedge", mode=OFF)
    set_rule("hedge", scope=Scope.PAIR, scope_name="BBB-CCC", mode=REFUSE)
    assert look("BBB-CCC").reason == "wrong hedge"
    rules = snapshots.snapshot().rules
    assert rules.mode("hedge", Subject("paper", "XXX-YYY", TickerType.PAIR)) is OFF
