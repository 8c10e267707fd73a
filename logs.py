"""One line of text a log record, UTC, without line breaks from outside and without secrets."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator

SHORTEST_SECRET = 8  # shorter ones are words that any line may hold

_changing = threading.Lock()
_for_good: set[str] = set()
_for_now: list[str] = []  # one entry for each that asked
_hidden: tuple[str, ...] = ()  # all of both, longest first; replaced, never changed, as any thread may be writing


class LineFormatter(logging.Formatter):
    """Formats records as `time level logger message`; control characters are escaped, secrets blotted out."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__(
            "%(asctime)s.%(msecs)03dZ %(levelname)-7s %(process)d %(name)s: %(message)s",
            "%Y-%m-%dT%H:%M:%S",
        )

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a traceback follows on lines of its own, indented."""
        text = super().format(record)
        for secret in _hidden:
            text = text.replace(secret, "***")
        first, *rest = text.split("\n")
        escaped = first.translate(_CONTROL)
        return "\n    ".join([escaped, *(line.translate(_CONTROL) for line in rest)])


_CONTROL = {code: f"\\x{code:02x}" for code in [*range(32), 127, 0x85]} | {
    code: f"\\u{code:04x}"  # other ends of lines, and what turns the direction of writing
    for code in [0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)]
}


# What no line shows is not looked up either: the stack, threads and tasks cost more than the line itself.
logging._srcfile = None  # type: ignore[attr-defined, unused-ignore]
logging.logThreads = logging.logMultiprocessing = False


def hide(*secrets: str) -> None:
    """Never write these values."""
    with _changing:
        _for_good.update(secrets)
        _renew()


@contextlib.contextmanager
def hiding(*secrets: str) -> Iterator[None]:
    """Do not write these values now: what is only tried may be a word that later lines need."""
    with _changing:
        _for_now.extend(secrets)
        _renew()
    try:
        yield
    finally:
        with _changing:
            for secret in secrets:
                _for_now.remove(secret)
            _renew()


def _renew() -> None:
    global _hidden
    long_enough = {secret for secret in (*_for_good, *_for_now) if len(secret) >= SHORTEST_SECRET}
    _hidden = tuple(sorted(long_enough, key=len, reverse=True))  # a part of a longer one must not leave its rest


def configure_logging(level: str, secrets: tuple[str, ...] = ()) -> None:
    """Send all records of `level` and above to standard error; `secrets` are never written."""
    hide(*secrets)
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter())
    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h.formatter, LineFormatter)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(max(logging.WARNING, root.level))
