"""The simulator's README tells of every fault and of every call of its control."""

import re
from pathlib import Path

import simulators.alpaca.faults as faults
from simulators.alpaca import control
from simulators.alpaca.broker_api import customers

README = Path(faults.__file__).with_name("README.md").read_text()


def test_every_kind_of_fault_is_told():
    assert {kind for kind in faults.KINDS if f"`{kind}`" not in README} == set()


def test_every_call_of_the_control_is_told():
    calls = {route.path for part in (control, customers) for route in part.routes if route.path.startswith("/sim/")}
    plain = {re.sub(r"/\{\w+:fill\|cancel\|expire\|status\}", "/fill", call.replace(":.+", "")) for call in calls}
    assert len(plain) > 10
    assert {call for call in plain if f"`{call}`" not in README} == set()
