"""`make demo`: a short trading session on the running desk, and what became of each alert.

It speaks HTTP, as TradingView and your programs do; only where a broker's bad day is rehearsed, it tells the paper
broker of this folder. All symbols end in `.DEMO` and trade on the account `paper`; every position is closed again but
one, which the next run closes. Without a password and a passphrase it makes both itself, for the time of the run, in
the database that the settings of this folder name.
"""

from __future__ import annotations

import argparse
import contextlib
import secrets
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

# A script's own folder comes first, not the project's.
from config import Config, ConfigError  # noqa: E402
from local.demo_desk import Desk, Stop, credentials, in_words  # noqa: E402
from local.demo_rehearsal import Rehearsal, rehearsal  # noqa: E402
from local.demo_session import (  # noqa: E402
    AFTER_THE_STOP,
    BROKEN,
    FOREIGN,
    HELD,
    PAIRS,
    ROUGH,
    SESSION,
    STOCKS,
    STOPPED,
    UNKNOWN,
    Row,
    alert_bodies,
    exit_of_last_run,
)

ACCOUNT = "paper"
OPEN = ("waiting", "rerouted", "created", "filled(...)", "part.filled")
ENDED = ("FILLED", "CANCELED", "EXPIRED", "REPLACED", "REJECTED", "DENIED", "STALE")
COLUMNS = ("rowid", "ticker", "action", "contracts", "webhook", "status", "fill price", "slip", "reason")
NUMBERS = ("rowid", "contracts", "fill price", "slip")  # columns that line up on the right


def register(desk: Desk) -> list[str]:
    """Register the demo's stocks and pairs and return the names of new ones; those of others are left alone."""
    wanted = [("stock", "/v3/regstock", stock["symbol"], {**stock, "account": ACCOUNT}) for stock in STOCKS]
    for pair in PAIRS:
        wanted.append(("pair", "/v3/regpair", f"{pair['ticker1']}-{pair['ticker2']}", {**pair, "account": ACCOUNT}))
    for kind, _, name, form in wanted:
        status, there = desk.call("GET", f"/v3/{kind}/{name}")
        differ = [f"{field} is {there.get(field)}" for field in form if there.get(field) != form[field]]
        if status == 200 and differ:
            raise Stop(f"{name} is registered in another way than the demo needs ({', '.join(differ)}); left alone.")
    if desk.call("GET", f"/v3/stock/{UNKNOWN}")[0] == 200:
        raise Stop(f"{UNKNOWN} is registered, but the demo needs a ticker that is not.")
    new = []
    for _, path, name, form in wanted:
        status, answer = desk.call("PUT", path, form)
        if status not in (200, 201):
            raise Stop(f"The desk does not register {name}: {in_words(answer)}")
        if status == 201:
            new.append(name)
    return new


def send(desk: Desk, bodies: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Send alerts and return a table row for each."""
    rows: list[dict[str, Any]] = []
    for body in bodies:
        status, answer = desk.call("POST", "/v3/webhook", body)
        if status == 401:
            raise Stop(f"The desk at {desk.url} refuses the passphrase: {in_words(answer)} Give --passphrase.")
        if status not in (200, 201):
            raise Stop(f"The desk refuses the alert for {body['ticker']}: {in_words(answer)}")
        what = "duplicate" if status == 200 else "created" if answer["status_msg"] is None else "recorded"
        rows.append(
            {
                "rowid": answer["rowid"],
                "ticker": body["ticker"],
                "action": body["order_action"],
                "contracts": body["order_contracts"],
                "webhook": f"{status} {what}",
                "status": answer["order_status"],
                "reason": answer["status_msg"],
            }
        )
    return rows


def follow(desk: Desk, rows: Sequence[dict[str, Any]], seconds: float) -> int:
    """Wait until the worker has dealt with all signals and complete the rows; returns how many are still open."""
    began = time.monotonic()
    rowids = {row["rowid"] for row in rows}
    still_open = set(rowids)
    while True:
        for rowid in sorted(still_open):
            status, found = desk.call("GET", f"/v3/signal/{rowid}")
            if status == 200:
                complete([row for row in rows if row["rowid"] == rowid], found)
            if status != 200 or is_done(found):
                still_open.remove(rowid)
        waited = time.monotonic() - began
        is_last = not still_open or waited >= seconds
        progress(f"{len(rowids) - len(still_open)} of {len(rowids)} signals are done after {waited:.0f} s", is_last)
        if is_last:
            return len(still_open)
        time.sleep(0.25)


def is_done(found: dict[str, Any]) -> bool:
    """Return True if nothing more will become of a signal: one leg that is being traded back is critical meanwhile."""
    works = any(order["status"] not in ENDED for order in found["legs"])
    return found["order_status"] not in OPEN and not (found["order_status"] == "critical err" and works)


def wait_for_part(desk: Desk, rows: Sequence[dict[str, Any]], seconds: float) -> None:
    """Return when the first part of HELD's order is filled, or nothing more will be."""
    rowid = next(row["rowid"] for row in rows if row["ticker"].endswith(HELD))
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        status, found = desk.call("GET", f"/v3/signal/{rowid}")
        if status != 200 or found["order_status"] == "part.filled" or is_done(found):
            return
        time.sleep(0.25)


def complete(rows: Sequence[dict[str, Any]], found: dict[str, Any]) -> None:
    """Enter in the rows of one signal what has become of it."""
    names = {"status": "order_status", "fill price": "fill_price", "slip": "slip", "reason": "status_msg"}
    for row in rows:
        row.update({column: found[name] for column, name in names.items()})


def progress(text: str, is_last: bool) -> None:
    """Show how far it is: on a terminal in one line that changes, elsewhere the end only."""
    if sys.stdout.isatty():
        print(f"\r{text}\x1b[K", end="\n" if is_last else "", flush=True)
    elif is_last:
        print(text)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows in aligned columns."""
    texts = [[as_text(row.get(column)) for column in COLUMNS] for row in rows]
    widths = [max(map(len, column)) for column in zip(COLUMNS, *texts, strict=True)]
    lines = []
    for cells in (list(COLUMNS), ["-" * width for width in widths], *texts):
        aligned = (
            cell.rjust(width) if name in NUMBERS else cell.ljust(width)
            for name, cell, width in zip(COLUMNS, cells, widths, strict=True)
        )
        lines.append("  ".join(aligned).rstrip())
    return "\n".join(lines)


def as_text(value: Any) -> str:
    """Return a cell's text: nothing for null, numbers without exponent."""
    return "" if value is None else f"{value:f}" if isinstance(value, Decimal) else str(value)


def last_run(desk: Desk) -> list[Row]:
    """Return the alert that closes what the last run has left open, if it has."""
    status, answer = desk.call("GET", f"/v3/positions?account={ACCOUNT}&name={HELD}")
    held = answer["positions"] if status == 200 else []
    return [exit_of_last_run(row["quantity"], row["average_price"]) for row in held]


@contextlib.contextmanager
def stopped(desk: Desk) -> Iterator[None]:
    """Hold a stop of entries in STOPPED for as long as the block lasts."""
    form = {"level": "entries", "scope": "stock", "name": STOPPED, "reason": "shown by the demo"}
    status, answer = desk.call("POST", "/v3/stops", form)
    if status != 201:
        raise Stop(f"The desk sets no stop: {in_words(answer)}")
    try:
        yield
    finally:
        desk.call("POST", f"/v3/stop/{answer['stop']}/release", {"reason": "the demo has shown it"})


def trade(desk: Desk, passphrase: str, venue: Rehearsal | None, seconds: float) -> tuple[list[dict[str, Any]], int]:
    """Send all alerts and wait for them; returns the table's rows and how many signals are still open."""
    run = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"

    def send_all(part: Sequence[Row]) -> list[dict[str, Any]]:
        sent = send(desk, alert_bodies(passphrase, run, part))
        print(f"{len(sent)} alerts were sent to {desk.url}/v3/webhook")
        return sent

    rows = send_all([*last_run(desk), *SESSION])
    left = follow(desk, rows, seconds)
    with stopped(desk):
        if venue is not None:
            venue.prepare()
        rough = send_all(ROUGH)
        if venue is not None:
            wait_for_part(desk, rough, seconds)
            venue.quote()
        left += follow(desk, rough, seconds)
    after = send_all(AFTER_THE_STOP)
    left += follow(desk, after, seconds)
    return [*rows, *rough, *after], left


def run(args: argparse.Namespace) -> int:
    """Run the session and return the exit code."""
    config = Config.from_env()
    desk = Desk(args.url or config.base_url)
    desk.check_ready()
    with credentials(args, config, desk) as known, contextlib.ExitStack() as at_end:
        desk.log_in(known.username, known.password)
        new = register(desk)
        venue = None
        if desk.is_here or desk.url == config.base_url:
            venue = at_end.enter_context(rehearsal(config, ACCOUNT, secrets.token_hex(6)))
        rows, left = trade(desk, known.passphrase, venue, args.wait)
        desk.call("POST", "/v3/logout")
    print(f"\n{table(rows)}\n")
    print(f"Registered, and there to stay: {', '.join(new) or 'nothing new'}.")
    if venue is not None:
        broken = next(row["rowid"] for row in rows if row["ticker"] == BROKEN)
        print(f"Signal {broken}: leg 2 was rejected, so leg 1 was traded back.")
        print(f"{HELD}: filled in two parts, held and quoted until the next run. {STOPPED}: stopped, then traded.")
        print(f"{FOREIGN}: an order that the desk never sent; it is shown, and left alone.")
    print(f"All of it trades on the account '{ACCOUNT}' only. Look at it: {desk.url}/")
    for note in known.notes:
        print(note)
    if left:
        raise Stop(f"{left} signals were not done after {args.wait} s; does the worker run? `flask health` tells.")
    return 0


def read_arguments(words: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="local/demo.py", description="A short trading session on the running desk.")
    parser.add_argument("--url", help="address of the desk (as in the settings)")
    parser.add_argument("--username", default="admin", help="who registers the stocks (admin)")
    parser.add_argument("--password", help="the user's password (ADMIN_PASSWORD, else a user is made for the run)")
    parser.add_argument("--passphrase", help="of the webhook (WEBHOOK_PASSPHRASE, else one is made for the run)")
    parser.add_argument("--wait", type=int, default=60, help="longest wait for the worker, seconds (60)")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Run the demo; whatever is wrong is said in one line."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the user made for the run is deleted
    try:
        return run(read_arguments(words))
    except (Stop, ConfigError) as e:
        print(e, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
