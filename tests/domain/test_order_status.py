"""Which moves orders and signals may make."""

import pytest

from domain.errors import Conflict, IllegalTransition
from domain.order_status import (
    AT_BROKER,
    CLOSED,
    FAILED,
    IN_FLIGHT,
    NEVER_SENT,
    OPEN,
    SIGNAL_TRANSITIONS,
    TRANSITIONS,
    OrderStatus,
    SignalStatus,
    check_signal_transition,
    check_transition,
)  # fmt: skip

MOVES = {
    "QUEUED": "CLAIMED DENIED STALE CANCELED",
    "CLAIMED": "SENDING QUEUED STALE DENIED CANCELED",
    "SENDING": "ACCEPTED PARTIALLY_FILLED FILLED CANCELED EXPIRED REJECTED UNKNOWN QUEUED DENIED",
    "UNKNOWN": "ACCEPTED PARTIALLY_FILLED FILLED CANCELED EXPIRED REJECTED QUEUED MANUAL REPLACED",
    "MANUAL": "ACCEPTED PARTIALLY_FILLED FILLED CANCELED EXPIRED REJECTED UNKNOWN REPLACED",
    "ACCEPTED": "PARTIALLY_FILLED FILLED CANCELED EXPIRED REJECTED CANCEL_PENDING REPLACED",
    "PARTIALLY_FILLED": "FILLED CANCEL_PENDING CANCELED EXPIRED REPLACED",
    "CANCEL_PENDING": "ACCEPTED PARTIALLY_FILLED FILLED CANCELED EXPIRED REJECTED REPLACED",
    "CANCELED": "FILLED",
    "EXPIRED": "FILLED",
    "FILLED": "",
    "REPLACED": "",
    "REJECTED": "",
    "DENIED": "",
    "STALE": "",
}

SIGNAL_MOVES = {
    "waiting": "rerouted,created,filled(...),part.filled,filled,canceled,error,critical err",
    "rerouted": "created,filled(...),part.filled,filled,canceled,error,critical err",
    "created": "rerouted,filled(...),part.filled,filled,canceled,error,critical err",
    "filled(...)": "part.filled,filled,critical err",
    "part.filled": "filled(...),filled,critical err",
    "filled": "",
    "canceled": "part.filled,filled(...),filled,critical err",
    "error": "filled(...),part.filled,filled,canceled,critical err",
    "critical err": "part.filled,filled(...),filled,canceled,error",
}


def test_orders_move_as_the_table_says():
    legal = {(old, new) for old, news in MOVES.items() for new in news.split()}
    for old in OrderStatus:
        for new in OrderStatus:
            if (old, new) in legal:
                check_transition(old, new)
            else:
                with pytest.raises(IllegalTransition, match=f"order cannot go from '{old}' to '{new}'"):
                    check_transition(old, new)


def test_signals_move_as_the_table_says_or_stay():
    legal = {(old, new) for old, news in SIGNAL_MOVES.items() for new in news.split(",")}
    for old in SignalStatus:
        for new in SignalStatus:
            if old == new or (old, new) in legal:
                check_signal_transition(old, new)
            else:
                with pytest.raises(IllegalTransition) as caught:
                    check_signal_transition(old, new)
                assert f"'{old}'" in caught.value.message
                assert f"'{new}'" in caught.value.message


def test_an_illegal_move_is_a_conflict():
    with pytest.raises(Conflict):
        check_transition(OrderStatus.FILLED, OrderStatus.QUEUED)


def test_every_status_has_its_moves():
    assert set(TRANSITIONS) == set(OrderStatus)
    assert set(SIGNAL_TRANSITIONS) == set(SignalStatus)


def test_the_groups_fit_together():
    assert set(OrderStatus) == OPEN | CLOSED
    assert not OPEN & CLOSED
    assert IN_FLIGHT < OPEN
    assert AT_BROKER < OPEN
    assert not IN_FLIGHT & AT_BROKER
    assert NEVER_SENT < FAILED < CLOSED
    assert {OrderStatus.FILLED, OrderStatus.REPLACED} == CLOSED - FAILED


def test_nothing_that_may_have_been_sent_is_sent_again_on_suspicion():
    """Back to the queue only from a claim, from a send that proved to be none, or on proof of absence."""
    assert {old for old, news in TRANSITIONS.items() if OrderStatus.QUEUED in news} == {"CLAIMED", "SENDING", "UNKNOWN"}
    assert {old for old, news in TRANSITIONS.items() if OrderStatus.SENDING in news} == {"CLAIMED"}
    assert {old for old, news in TRANSITIONS.items() if OrderStatus.UNKNOWN in news} == {"SENDING", "MANUAL"}


def test_what_is_over_stays_over_but_for_a_late_fill():
    for closed in CLOSED:
        assert TRANSITIONS[closed] <= {OrderStatus.FILLED}
