"""Doing the checks in their order, up to the first that refuses."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from domain.checks import alert_rules, limit_rules, market_rules
from domain.checks.catalog import CHECKS
from domain.checks.facts import Facts
from domain.checks.leg_limits import findings_of_legs
from domain.checks.rules import Rules
from domain.checks.verdict import Check, Finding
from domain.enums import CheckMode
from domain.order_status import SignalStatus
from domain.trace import step

NOT_JUDGED, WARNING, HELD = "not judged", "warning", "held"


class Refusal(NamedTuple):
    """Why a signal is not traded: its status, the reason in a word or two, and a sentence for people."""

    status: SignalStatus
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The steps for the trace, and what stands against trading now."""

    steps: tuple[dict[str, Any], ...] = ()
    refusal: Refusal | None = None
    hold_until: datetime | None = None

    @property
    def goes_on(self) -> bool:
        """Return True if the signal may be traded as far as these checks go."""
        return self.refusal is None and self.hold_until is None


CHECKS_OF_SIGNALS: Mapping[str, tuple[Check, str]] = {
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
    "max_quantity": (limit_rules.max_quantity, "too large"),
    "max_notional": (limit_rules.max_notional, "too large"),
    "open_positions": (limit_rules.open_positions, "too many positions"),
    "daily_loss": (limit_rules.daily_loss, "daily loss"),
    "orders_per_minute": (limit_rules.orders_per_minute, "too many orders"),
    "funds_floor": (limit_rules.funds_floor, "insufficient funds"),
    "spread_limit": (market_rules.spread_limit, "spread limit"),
    "slippage_guard": (market_rules.slippage_guard, "slippage"),
}


def run_checks(facts: Facts, rules: Rules) -> Outcome:
    """Return what the checks make of a signal whose legs are sized, up to the first that refuses."""
    steps: list[dict[str, Any]] = []
    for name in CHECKS:
        if name not in CHECKS_OF_SIGNALS:
            continue
        check, reason = CHECKS_OF_SIGNALS[name]
        for finding, mode in _findings(name, check, facts, rules):
            steps.append(_step(name, finding, mode))
            if finding.ok is False and mode is CheckMode.REFUSE:
                if finding.hold_until is not None:
                    return Outcome(tuple(steps), None, finding.hold_until)
                return Outcome(tuple(steps), Refusal(SignalStatus.CANCELED, reason, finding.text))
    return Outcome(tuple(steps))


def mode_of(check: str, facts: Facts, rules: Rules) -> CheckMode:
    """Return what a check does when this signal fails it."""
    return rules.mode(check, facts.subject, alert_rules.default_mode(check, facts))


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
    return step(name.replace("_", " "), finding.ok is not False, finding.text, **values)
