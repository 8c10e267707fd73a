"""What a paper venue can be told to do to coming orders and cancels, to rehearse a broker's bad days. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from brokers.errors import BrokerError, BrokerUnavailable, OrderRejected, OutcomeUnknown
from brokers.paper.orders import Order
from brokers.paper.pricing import LARGEST, is_exact
from brokers.paper.rules.requests import is_text
from domain.messages import OrderReport


class Kind(StrEnum):
    REJECT = "reject"  # refused with `reason`
    DELAY = "delay"  # accepted, trades `seconds` later
    PARTIAL = "partial"  # fills `quantity`, the rest works until a quote or `fill_rest`
    WORK = "work"  # fills nothing, works until a quote or `fill_rest`
    DROP_ANSWER = "drop_answer"  # placed, but the caller never hears of it
    DROP_REQUEST = "drop_request"  # never arrives, and the caller cannot know
    UNAVAILABLE = "unavailable"  # cannot be reached, and the caller knows
    LATE = "late"  # arrives `seconds` later; until then nobody sees it
    HANG = "hang"  # placed, answered `seconds` later
    CANCEL_DROP_ANSWER = "cancel_drop_answer"  # canceled, but the caller never hears of it
    CANCEL_UNAVAILABLE = "cancel_unavailable"  # cannot be reached, nothing is canceled, and the caller knows
    CANCEL_FILLS = "cancel_fills"  # the order fills while the cancel is on its way


CANCELS = frozenset({Kind.CANCEL_DROP_ANSWER, Kind.CANCEL_UNAVAILABLE, Kind.CANCEL_FILLS})
TIMED = frozenset({Kind.DELAY, Kind.LATE, Kind.HANG})
LONGEST = 86_400.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One order, or cancel, of `symbol` (None = any) is treated so; ValueError where a needed value is missing."""

    kind: Kind
    symbol: str | None = None
    seconds: float = 0.0
    quantity: Decimal | None = None
    reason: str = "rejected as instructed"

    def __post_init__(self) -> None:
        if self.symbol is not None and not is_text(self.symbol):
            raise ValueError("the symbol must be printable")
        if not is_text(self.reason):
            raise ValueError("the reason must be printable")
        if self.kind in TIMED and not 0 < self.seconds <= LONGEST:
            raise ValueError(f"{self.kind}: seconds must be above 0 and at most {LONGEST:.0f}")
        if self.kind is Kind.PARTIAL and not (
            self.quantity is not None and is_exact(self.quantity) and 0 < self.quantity < LARGEST
        ):
            raise ValueError("partial: quantity must be above 0, with at most 8 decimals")

    def refusal(self) -> BrokerError | None:
        """Return what is raised instead of placing or canceling the order, None = it is done."""
        if self.kind is Kind.REJECT:
            return OrderRejected(self.reason)
        if self.kind is Kind.DROP_REQUEST:
            return OutcomeUnknown("no answer came")
        if self.kind in (Kind.UNAVAILABLE, Kind.CANCEL_UNAVAILABLE):
            return BrokerUnavailable("the paper venue cannot be reached")
        return None

    def prepare(self, order: Order, now: datetime) -> bool:
        """Change a new order as told; the answer says whether it may trade at once."""
        if self.kind is Kind.PARTIAL:
            order.next_fill = self.quantity
        if self.kind in (Kind.DELAY, Kind.LATE):
            order.due_at = now + timedelta(seconds=self.seconds)
            order.visible_at = order.due_at if self.kind is Kind.LATE else None
        return self.kind not in (Kind.DELAY, Kind.LATE, Kind.WORK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is said once the transaction is committed: a report or an error, after a pause in seconds."""

    outcome: OrderReport | BrokerError
    pause: float = 0.0

    def under(self, instruction: Instruction | None) -> "Answer":
        """Return the answer that the caller gets."""
        if instruction is None:
            return self
        if instruction.kind in (Kind.DROP_ANSWER, Kind.LATE, Kind.CANCEL_DROP_ANSWER):
            return Answer(outcome=OutcomeUnknown("no answer came"))
        return Answer(outcome=self.outcome, pause=instruction.seconds if instruction.kind is Kind.HANG else 0.0)

    def deliver(self, sleep: Callable[[float], None]) -> OrderReport:
        """Return the report or raise the error."""
        if self.pause:
            sleep(self.pause)
        if isinstance(self.outcome, BrokerError):
            raise self.outcome
        return self.outcome
