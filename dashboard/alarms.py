"""What is said when nobody watches: a worker that is silent, a broker that cannot be read."""

from __future__ import annotations

from dashboard.formatting import count, moment, span
from domain.order_status import CLOSED, OrderStatus
from services.reports.signal_queries import DeskState
from services.reports.unmonitored_accounts import UnmonitoredAccount

ORDERS, POSITIONS, PAIRS = ("open order",), ("open position",), ("pair out of balance", "pairs out of balance")
# What is still true of an open order whose broker cannot be read.
WHEN_AWAY = {
    OrderStatus.QUEUED: "it is not sent meanwhile",
    OrderStatus.ACCEPTED: "the broker had it when it was last heard",
    OrderStatus.PARTIALLY_FILLED: "part of it was filled when the broker was last heard",
    OrderStatus.CANCEL_PENDING: "its end was asked for",
}


def worker_alarm(state: DeskState, lifetime: int, *, with_stakes: bool) -> str:
    """Return what it means that no worker runs, and to people who are logged in what goes on without one."""
    if state.worker_age is not None:
        what = f"The worker was not heard from for {span(state.worker_age.total_seconds())}."
    elif state.worker_stopped is not None:
        what = f"The worker stopped at {moment(state.worker_stopped).clock} UTC."
    else:
        what = "The worker is not running."
    stakes = _stakes((state.open_orders, *ORDERS), (state.unbalanced, *PAIRS))
    alone = f"Nobody watches {stakes}: look at the broker. " if stakes and with_stakes else ""
    return (
        f"{what} Alerts are stored, but no order is sent. {alone}{_waiting(state.waiting)} now; "
        f"a signal unsent after {lifetime} s is canceled as expired."
    )


def broker_alarm(account: UnmonitoredAccount) -> str:
    """Return which account is not in step, why, and what is at stake there."""
    stakes = _stakes((account.open_orders, *ORDERS), (account.books, *POSITIONS), (account.unbalanced, *PAIRS))
    alone = f" Nobody watches {stakes} there: look at the broker." if stakes else ""
    waits = f" {_waiting(account.waiting)} for it." if account.waiting else ""
    never = " It was never heard." if account.since is None else ""
    return f"{account.name} is not in step with its broker: {account.why}.{alone}{waits}{never}"


def order_alarm(status: OrderStatus, account: UnmonitoredAccount | None) -> str:
    """Return what is to be said of an open order at an account; empty where it is in step with its broker."""
    if account is None or status in CLOSED:
        return ""
    return f"account away: {account.name}, {account.why}; {WHEN_AWAY.get(status, 'its outcome is not known')}"


def _stakes(*things: tuple[int, str] | tuple[int, str, str]) -> str:
    found = [count(number, *words) for number, *words in things if number]
    return f"{', '.join(found[:-1])} and {found[-1]}" if len(found) > 1 else "".join(found)


def _waiting(number: int) -> str:
    return "No signal waits" if not number else "1 signal waits" if number == 1 else f"{number} signals wait"
