"""Whether a broker will take all legs of a signal: asked of its own words, before any leg is sent."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.exact import plain_text
from domain.trace import step
from domain.venue.leg_rules import objections
from domain.venue.money import money_objections
from domain.venue.objections import Objection
from domain.venue.order_plans import BrokerFacts, LegOrderPlan


@dataclass(slots=True)
class Preflight:
    """Every question with its answer; `refusal` is the first (reason, sentence) that speaks against sending."""

    steps: list[dict[str, Any]]
    refusal: tuple[str, str] | None = None
    opens_at: datetime | None = None
    is_closed: bool = False

    def see(self, check: str, ok: bool, text: str, **values: object) -> bool:
        """Put an answer on record; returns whether it was good."""
        self.steps.append(step(check, ok, text, **values))
        if not ok and self.refusal is None:
            self.refusal = (check, text)
        return ok


def preflight(legs: Sequence[LegOrderPlan], broker: BrokerFacts, now: datetime) -> Preflight:
    """Return whether the broker will take all these orders now (aware), each question on record."""
    result = Preflight([])
    for leg in legs:
        _put(result, objections(leg, broker))
    if result.refusal is None:
        _ask_session(result, legs, broker, now)
    if result.refusal is None:
        _put(result, money_objections(legs, broker))
    if result.refusal is None:
        names = " and ".join(f"{leg.side} {plain_text(leg.quantity)} {leg.symbol}" for leg in legs)
        result.see("pre-flight", True, f"The broker takes {names}.")
    return result


def _put(result: Preflight, found: Iterable[Objection]) -> None:
    for each in found:
        result.see(each.check, each.ok, each.text, **each.values)


def _ask_session(result: Preflight, legs: Sequence[LegOrderPlan], broker: BrokerFacts, now: datetime) -> None:
    account, session = broker.account, broker.session
    waiting = all(leg.waits_for_the_session or broker.is_always_open(leg.symbol) for leg in legs)
    if account is not None and account.blocked:
        result.see("account", False, f"The broker takes no orders for this account: {account.blocked}.")
    elif session is not None and not session.is_open and not waiting:
        until = "" if session.opens_at is None else f"; it opens at {session.opens_at:%Y-%m-%d %H:%M} UTC"
        if session.has_turned(now):
            until = ", though it was to be open by now"
        result.is_closed, result.opens_at = True, session.opens_at
        result.see("market closed", False, f"The broker's market is closed{until}.", opens_at=session.opens_at)
