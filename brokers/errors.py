"""Broker errors, each named by what the caller must do."""

import time
from typing import Self


class BrokerError(Exception):
    """Base of what an adapter may raise; foreign exceptions never leave an adapter.

    `code` is the venue's own for what went wrong, empty where it gives none.
    """

    code = ""

    @property
    def in_words(self) -> str:
        """Return what a person reads of it: its text, and the code by which the venue's documents explain it."""
        text = str(self)
        return f"{text} (code {self.code})" if self.code and self.code not in text else text

    def with_code(self, code: str) -> Self:
        """Return this error with the venue's own code."""
        self.code = code
        return self


class OrderRejected(BrokerError):
    """The broker refused for certain: final, never sent again."""


class OutcomeUnknown(BrokerError):
    """The order may have arrived: look it up by its client order id, never send it again."""


class BrokerUnavailable(BrokerError):
    """Nothing left this machine, or a read failed: try later. `retry_after` in seconds."""

    def __init__(self, message: str, retry_after: float = 2.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RateLimited(BrokerUnavailable):
    """The broker takes no more requests for `retry_after` seconds: what was asked for has not been done.

    `until` is the same moment by the monotonic clock: an answer that is recorded late makes nobody wait longer.
    """

    def __init__(self, message: str, retry_after: float = 2.0) -> None:
        super().__init__(message, retry_after)
        self.until = time.monotonic() + retry_after

    @property
    def seconds_left(self) -> float:
        """Return how long it is from now until requests are taken again."""
        return max(0.0, self.until - time.monotonic())


class Conflicts(BrokerUnavailable):
    """The broker does not take the order as long as another one of the account stands against it: it was not placed.

    `broker_order_id` is the broker's id of the other order, empty where it does not say.
    """

    def __init__(self, message: str, broker_order_id: str = "", retry_after: float = 2.0) -> None:
        super().__init__(message, retry_after)
        self.broker_order_id = broker_order_id


class AccessRefused(OrderRejected, BrokerUnavailable):
    """The broker does not accept the keys: no order was placed, nothing can be read, until a person sets right ones."""


class AccountUnreadable(BrokerUnavailable):
    """The brokerage answers, but not of this one account: others can be read meanwhile. Its text is for anyone."""


class EmailTaken(OrderRejected):
    """The brokerage has an account of this e-mail already: no other one was opened."""


class FormRefused(OrderRejected):
    """The brokerage does not accept an application: no account was opened. `field` is what it speaks of."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field
