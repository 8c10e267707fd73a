"""Which rule is in force: the narrowest scope that says something."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.checks.catalog import CHECKS
from domain.checks.rules import RuleRow, Rules, Subject
from domain.enums import CheckMode, Scope, TickerType
from tests.domain.checks_support import OFF, PAIR, REFUSE, SINGLE, WARN, rule, rules

D = Decimal
DESK, ACCOUNT = (Scope.DESK, ""), (Scope.ACCOUNT, "paper")
STOCK, A_PAIR = (Scope.STOCK, "AAA"), (Scope.PAIR, "AAA-BBB")


def test_without_a_word_what_is_built_in_holds():
    empty = rules()
    assert empty.mode("active", SINGLE) is REFUSE
    assert empty.mode("pyramiding", SINGLE) is OFF
    assert empty.limit("max_quantity", SINGLE) is None
    assert empty.limit("quote_age", SINGLE).limit == 60
    assert empty.choice("trading_hours", SINGLE) == "expire"
    assert empty.choice("stop", SINGLE) == ""


def test_the_narrowest_scope_that_says_something_wins():
    known = rules(
        rule("pyramiding", mode=WARN, at=DESK),
        rule("pyramiding", mode=REFUSE, at=ACCOUNT),
        rule("pyramiding", mode=OFF, at=STOCK),
        rule("pyramiding", mode=WARN, at=A_PAIR),
    )
    assert known.mode("pyramiding", SINGLE) is OFF
    assert known.mode("pyramiding", PAIR) is WARN
    assert known.mode("pyramiding", Subject("paper", "CCC", TickerType.SINGLE)) is REFUSE
    assert known.mode("pyramiding", Subject("other", "CCC", TickerType.SINGLE)) is WARN
    assert known.mode("pyramiding", Subject("other", "AAA", TickerType.PAIR)) is WARN  # a pair is no stock


def test_mode_limit_and_choice_are_looked_for_one_by_one():
    known = rules(
        rule("max_notional", limit=1000, at=DESK),
        rule("max_notional", mode=WARN, at=ACCOUNT),
        rule("max_notional", choice="strict", at=STOCK),
    )
    assert known.mode("max_notional", SINGLE) is WARN
    assert known.limit("max_notional", SINGLE).limit == 1000
    assert known.choice("max_notional", SINGLE) == "strict"
    assert known.source("max_notional", SINGLE, "limit").scope is Scope.DESK
    assert known.source("stop", SINGLE, "mode") is None


def test_all_scopes_that_set_a_ceiling_are_named_narrowest_first():
    known = rules(
        rule("daily_loss", limit=500, at=DESK),
        rule("daily_loss", limit=900, at=ACCOUNT),
        rule("daily_loss", limit=50, at=STOCK),
        rule("daily_loss", limit=1, at=A_PAIR),
    )
    found = [(c.limit, c.where) for c in known.ceilings("daily_loss", SINGLE)]
    assert found == [(50, "stock AAA"), (900, "account paper"), (500, "the desk")]


def test_a_check_that_needs_a_limit_has_nothing_to_do_until_there_is_one():
    assert not rules().is_on("max_quantity", SINGLE)
    assert rules(rule("max_quantity", limit=0)).is_on("max_quantity", SINGLE)
    assert not rules(rule("max_quantity", limit=5, mode=OFF)).is_on("max_quantity", SINGLE)
    assert rules().is_on("age", SINGLE)  # its limit is a setting of the desk
    assert rules().is_on("stop", SINGLE)


def test_what_is_said_in_general_goes_before_a_signal_s_own_wish():
    assert rules().mode("duplicate", SINGLE, REFUSE) is REFUSE
    assert rules(rule("duplicate", mode=OFF)).mode("duplicate", SINGLE, REFUSE) is OFF


ROWS = st.builds(
    RuleRow,
    st.sampled_from(Scope),
    st.sampled_from(["", "paper", "AAA", "AAA-BBB"]),
    st.sampled_from(sorted(CHECKS)),
    st.none() | st.sampled_from(CheckMode),
    st.none() | st.decimals(0, 100, places=2),
)


@given(st.lists(ROWS, max_size=12), st.sampled_from(sorted(CHECKS)), st.sampled_from([SINGLE, PAIR, Subject()]))
def test_a_rule_of_another_scope_never_counts(rows, check, subject):
    inside = [row for row in rows if (row.scope, row.scope_name) in subject.scopes]
    assert Rules(rows).mode(check, subject) is Rules(inside).mode(check, subject)
    assert Rules(rows).ceilings(check, subject) == Rules(inside).ceilings(check, subject)


@pytest.mark.parametrize("name", CHECKS)
def test_each_check_is_described_and_its_default_is_one_it_allows(name):
    spec = CHECKS[name]
    assert spec.text.endswith(".")
    assert spec.title
    assert Scope.DESK in spec.scopes or name == "stop"
    if spec.limit and spec.limit.default is not None:
        assert spec.limit.low <= spec.limit.default <= spec.limit.high
    assert max(map(len, (name, *spec.choices))) <= 32
    assert all(len(choice) <= 16 for choice in spec.choices)
