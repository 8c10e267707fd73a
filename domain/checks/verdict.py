"""What one check found, and the words of its step on the trace."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from domain.checks.facts import Facts
from domain.checks.rules import Rules
from domain.messages import QuoteReport


@dataclass(frozen=True, slots=True)
class Finding:
    """`ok` is None where a check could not be judged; `hold_until` is when the signal is to be looked at again."""

    ok: bool | None
    text: str
    values: dict[str, Any] = field(default_factory=dict)
    hold_until: datetime | None = None


# A check gets the facts and the rules; None = it has nothing to say, and leaves no step.
Check = Callable[[Facts, Rules], Finding | None]


def exempt() -> Finding:
    """Return what is found of an exit by a check of entries."""
    return Finding(True, "The signal only makes the position smaller; such exits are exempt.")


def show(number: Decimal) -> str:
    """Return a number as people write it, without an exponent: four decimals, small ones eight."""
    rounded = round(number, 4 if abs(number) >= 1 else 8)
    return f"{rounded.normalize() + 0:f}" if rounded else "0"


def show_time(time: datetime) -> str:
    """Return a time as on the rest of the desk."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def fresh_quotes(facts: Facts, rules: Rules) -> dict[str, QuoteReport]:
    """Return the quotes that are young enough to count."""
    most = rules.limit("quote_age", facts.subject)
    limit = most.limit if most else Decimal(0)
    return {
        symbol: quote
        for symbol, quote in facts.quotes.items()
        if Decimal((facts.now - quote.at).total_seconds()) <= limit
    }
