"""Doing the checks in their order, up to the first that refuses."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from domain.checks import alert_rules, exit_rules, limit_rules, market_rules
from domain.checks.catalog import CHECKS
from domain.checks.facts import Facts, PlannedLeg
from domain.checks.leg_limits import findings_of_legs
from domain.checks.rules import Rules
from domain.checks.verdict import Check, Finding
from domain.enums import CheckMode
from domain.order_status import SignalStatus
from domain.trace import step

NOT_JUDGED, WARNING, HELD, CLIPPED = "not judged", "warning", "held", "clipped"


class Refusal(NamedTuple):
    """Why a signal is not traded: its status, the reason in a word or two, and a sentence for people."""

    status: SignalStatus
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The steps for the trace, what stands against trading now, and the legs that may be traded in place of others."""

    steps: tuple[dict[str, Any], ...] = ()
    refusal: Refusal | None = None
    hold_until: datetime | None = None
    legs: tuple[PlannedLeg, ...] = ()

    @property
    def goes_on(self) -> bool:
        """Tell whether the signal may be traded as far as these checks go."""
        return self.refusal is None and self.hold_until is None


BEFORE_SIZING: Mapping[str, tuple[Check, str]] = {
    "stop": (alert_rules.stop, "stopped"),
    "exclusivity": (alert_rules.exclusivity, "exclusivity"),
    "age": (alert_rules.age, "expired"),
    "duplicate": (alert_rules.duplicate, "duplicate order"),
    "position_size": (alert_rules.position_size, "position size mismatch"),
    "position_missing": (alert_rules.position_missing, "missing position size"),
    "missed_alert": (alert_rules.missed_alert, "missed alert"),
    "pyramiding": (alert_rules.pyramiding, "pyramiding"),
    "trading_hours": (alert_rules.trading_hours, "market closed"),
    "price_deviation": (market_rules.price_deviation, "price deviation"),
}
AT_SIZING: Mapping[str, tuple[Check, str]] = {"reduce_only": (exit_rules.reduce_only, "nothing to close")}
AFTER_SIZING: Mapping[str, tuple[Check, str]] = {
    "max_quantity": (limit_rules.max_quantity, "too large"),
    "max_notional": (limit_rules.max_notional, "too large"),
    "open_positions": (limit_rules.open_positions, "too many positions"),
    "daily_loss": (limit_rules.daily_loss, "daily loss"),
    "orders_per_minute": (limit_rules.orders_per_minute, "too many orders"),
    "funds_floor": (limit_rules.funds_floor, "insufficient funds"),
    "spread_limit": (market_rules.spread_limit, "spread limit"),
    "slippage_guard": (market_rules.slippage_guard, "slippage"),
}
OF_ENTRIES = ("stop", "exclusivity")  # done again when the legs turn out to be more than an exit


def before_sizing(facts: Facts, rules: Rules) -> Outcome:
    """Do the checks that need no sized legs."""
    return _run(BEFORE_SIZING, facts, rules)


def at_sizing(facts: Facts, rules: Rules) -> Outcome:
    """Do the checks that may make the sized legs smaller."""
    return _run(AT_SIZING, facts, rules)


def after_sizing(facts: Facts, rules: Rules, *, was_exit: bool) -> Outcome:
    """Do the checks that need the legs; `was_exit`: before sizing the signal looked like an exit."""
    checks = dict(AFTER_SIZING)
    if was_exit and not facts.is_exit:
        checks = {**{name: BEFORE_SIZING[name] for name in OF_ENTRIES}, **checks}
    return _run(checks, facts, rules)


def mode_of(check: str, facts: Facts, rules: Rules) -> CheckMode:
    """Return what a check does when this signal fails it."""
    return rules.mode(check, facts.subject, alert_rules.default_mode(check, facts))


def _run(checks: Mapping[str, tuple[Check, str]], facts: Facts, rules: Rules) -> Outcome:
    steps: list[dict[str, Any]] = []
    for name in CHECKS:
        if name not in checks:
            continue
        for finding, mode in _findings(name, checks[name][0], facts, rules):
            steps.append(_step(name, finding, mode))
            if finding.ok is False and mode is CheckMode.REFUSE:
                if finding.legs:
                    return Outcome(tuple(steps), legs=finding.legs)
                if finding.hold_until is not None:
                    return Outcome(tuple(steps), None, finding.hold_until)
                return Outcome(tuple(steps), Refusal(SignalStatus.CANCELED, checks[name][1], finding.text))
    return Outcome(tuple(steps))


def _findings(name: str, check: Check, facts: Facts, rules: Rules) -> Iterator[tuple[Finding, CheckMode]]:
    """Yield what one check finds of the signal, and of its legs by the limits of their stocks; with what it does."""
    mode = mode_of(name, facts, rules)
    if mode is not CheckMode.OFF and (finding := check(facts, rules)) is not None:
        yield finding, mode
    yield from findings_of_legs(name, facts, rules)


def _step(name: str, finding: Finding, mode: CheckMode) -> dict[str, Any]:
    values = dict(finding.values)
    if finding.ok is None:
        values["outcome"] = NOT_JUDGED
    elif not finding.ok and mode is CheckMode.WARN:
        values["outcome"] = WARNING
    elif finding.hold_until is not None:
        values["outcome"] = HELD
    elif finding.legs:
        values["outcome"] = CLIPPED
    return step(name.replace("_", " "), finding.ok is not False, finding.text, **values)
