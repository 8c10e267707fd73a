"""Fixtures of the judges: one Prism and one simulator for all tests of a process."""

import contextlib
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.brokers.alpaca_support import Simulator
from tests.judges.descriptions import Operations, description
from tests.judges.prism import PROBLEM, running_prism
from tests.newman.run_collection import LeftOut
from tests.support.left_out import require

FILL_AFTER = 60.0


class Court:
    """The simulator behind Prism, and what was asked for and refused there."""

    def __init__(self, url: str, simulator: Simulator) -> None:
        self.url, self.simulator = url, simulator
        self.operations = Operations(description())
        self.paths: set[str] = set()
        self.unknown: set[str] = set()  # names in queries, as `get /path: name`
        self.undescribed: set[str] = set()  # requests that are no operation of a description
        self.refused: list[str] = []

    def hear(self, request: requests.PreparedRequest, answer: requests.Response) -> None:
        """Take down a request and what became of it."""
        method, url = str(request.method), str(request.url)
        operation = self.operations.of(method, url)
        self.paths.add(urlsplit(url).path)
        if not operation:
            self.undescribed.add(f"{method} {url}")
        self.unknown |= {f"{operation}: {name}" for name in self.operations.unknown_names(method, url)}
        if answer.headers.get("Content-Type", "").startswith(PROBLEM):
            self.refused.append(f"{method} {url.removeprefix(self.url)} {request.body!r}: {answer.text}")


@pytest.fixture(scope="session")
def prism(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Simulator]]:
    with closing(Simulator(fill_after=FILL_AFTER, cash=10_000_000)) as simulator, contextlib.ExitStack() as stack:
        try:
            running = running_prism(description(), simulator.url, tmp_path_factory.mktemp("prism"))
            url = stack.enter_context(running)
        except LeftOut as e:
            require("Prism", False, str(e))
            raise
        yield url, simulator


@pytest.fixture
def court(prism: tuple[str, Simulator], monkeypatch: pytest.MonkeyPatch) -> Court:
    """A court that hears every request of requests' that goes to Prism."""
    court = Court(*prism)
    original = requests.Session.send

    def send(self: requests.Session, request: requests.PreparedRequest, **more: Any) -> requests.Response:
        answer = original(self, request, **more)
        if str(request.url).startswith(court.url):
            court.hear(request, answer)
        return answer

    monkeypatch.setattr(requests.Session, "send", send)
    return court
