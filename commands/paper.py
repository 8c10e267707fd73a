"""Commands for the paper broker: look at it, quote prices, set its market, and rehearse a broker's bad days."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import click
from flask import current_app
from flask.cli import AppGroup

from brokers.errors import BrokerError
from brokers.paper.instructions import CANCELS, Instruction, Kind
from brokers.paper.pricing import STEP
from brokers.paper.spec import paper_settings
from brokers.paper.venue import PaperVenue
from domain.messages import SessionReport
from domain.ticker import TickerError, parse_symbol

ACCOUNT = "paper"

paper = AppGroup("paper", help="Look at the paper broker, set its prices and rules, rehearse bad days.")


class Number(click.ParamType[Decimal]):
    """A decimal number."""

    name = "number"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """Return the number exactly as written."""
        try:
            return Decimal(str(value))
        except InvalidOperation:
            self.fail("is not a number", param, ctx)


class Symbol(click.ParamType[str]):
    """A symbol as stocks are registered."""

    name = "symbol"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the symbol in its usual form."""
        try:
            return parse_symbol(str(value))
        except TickerError as e:
            self.fail(e.reason, param, ctx)


class Moment(click.ParamType[datetime]):
    """A date with a time."""

    name = "moment"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the moment; one without a zone is UTC."""
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail("is not a date and time such as 2026-03-02T14:30Z", param, ctx)
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


@contextmanager
def _venue() -> Iterator[PaperVenue]:
    venue = PaperVenue(paper_settings(current_app.config["DESK"]))
    try:
        yield venue
    except (BrokerError, ValueError) as e:
        raise click.ClickException(str(e)) from None
    finally:
        venue.close()


@paper.command("show")
def show() -> None:
    """Show money, session and positions."""
    with _venue() as venue:
        account, positions, session = venue.account(ACCOUNT), venue.positions(ACCOUNT), venue.session()
    click.echo(f"cash {account.cash:f} {account.currency}")
    click.echo(f"equity {account.equity:f}, buying power {account.buying_power:f}")
    if account.blocked:
        click.echo(f"blocked: {account.blocked}")
    click.echo(_session_text(session))
    for position in positions:
        click.echo(f"{position.symbol:<12} {position.quantity:>16f} at {position.average_price:f}")
    if not positions:
        click.echo("flat")


@paper.command("quote")
@click.argument("symbol", type=Symbol())
@click.argument("bid", type=Number())
@click.argument("ask", type=Number())
def quote(symbol: str, bid: Decimal, ask: Decimal) -> None:
    """Quote a symbol: buys fill at ASK, sells at BID, and limit orders that it crosses fill."""
    with _venue() as venue:
        venue.set_quote(symbol, bid, ask)
    click.echo(f"{symbol} {bid:f} / {ask:f}")


@paper.command("unquote")
@click.argument("symbol", type=Symbol())
def unquote(symbol: str) -> None:
    """Forget a quote: orders fill at the alert's price again."""
    with _venue() as venue:
        venue.drop_quote(symbol)
    click.echo(f"{symbol} has no quote")


@paper.command("asset")
@click.argument("symbol", type=Symbol())
@click.option("--tradable/--untradable", default=True, show_default=True, help="Whether it takes orders at all.")
@click.option("--shortable/--unshortable", default=True, show_default=True, help="Whether it can be sold short.")
@click.option("--step", type=Number(), default=STEP, help="Quantities are multiples of it; 1 = whole shares.")
def asset(symbol: str, tradable: bool, shortable: bool, step: Decimal) -> None:
    """Set what may be done with a symbol."""
    with _venue() as venue:
        venue.set_asset(symbol, tradable=tradable, shortable=shortable, quantity_step=step)
    words = ("tradable" if tradable else "not tradable", "shortable" if shortable else "not shortable")
    click.echo(f"{symbol} is {words[0]}, {words[1]}, in steps of {step.normalize():f}")


@paper.command("unasset")
@click.argument("symbol", type=Symbol())
def unasset(symbol: str) -> None:
    """Forget what was said of a symbol: it is as all others again."""
    with _venue() as venue:
        venue.forget_asset(symbol)
    click.echo(f"{symbol} is as all others")


@paper.command("session")
@click.argument("state", type=click.Choice(["open", "closed", "always"]))
@click.option("--opens-at", type=Moment(), help="When it opens by itself, such as 2026-03-02T14:30Z.")
@click.option("--closes-at", type=Moment(), help="When it closes by itself.")
def session(state: str, opens_at: datetime | None, closes_at: datetime | None) -> None:
    """Open or close the market; `always` is as at first: open without end."""
    if state == "always" and (opens_at or closes_at):
        raise click.UsageError("a market that is always open neither opens nor closes")
    with _venue() as venue:
        if state == "always":
            venue.forget_session()
        else:
            venue.set_session(state == "open", opens_at=opens_at, closes_at=closes_at)
        now = venue.session()
    click.echo(_session_text(now))


@paper.command("block")
@click.argument("reason")
def block(reason: str) -> None:
    """Refuse all orders of the account, for REASON; cancels are taken."""
    with _venue() as venue:
        venue.block(ACCOUNT, reason)
    click.echo(f"Orders are refused: {reason}")


@paper.command("unblock")
def unblock() -> None:
    """Take the account's orders again."""
    with _venue() as venue:
        venue.unblock(ACCOUNT)
    click.echo("Orders are taken.")


@paper.command("tell")
@click.argument("kind", type=click.Choice([kind.value for kind in Kind]))
@click.option("--symbol", type=Symbol(), help="Only orders or cancels of this symbol.")
@click.option("--times", type=click.IntRange(1, 10_000), default=1, show_default=True, help="How many.")
@click.option("--seconds", type=float, default=0.0, help="For delay, late and hang.")
@click.option("--quantity", type=Number(), help="For partial: how many shares fill.")
@click.option("--reason", default="rejected as instructed", help="For reject.")
def tell(kind: str, symbol: str | None, times: int, **details: Any) -> None:
    """Set how the venue treats the next orders: reject, delay, partial, work, drop_answer, …

    What begins with cancel_ is for the next cancels.
    """
    with _venue() as venue:
        venue.instruct(Instruction(kind=Kind(kind), symbol=symbol, **details), times)
    what = "cancel" if Kind(kind) in CANCELS else "order"
    click.echo(f"The next {times} {what}(s){f' of {symbol}' if symbol else ''}: {kind}.")


@paper.command("forget")
def forget() -> None:
    """Take back what the venue was told with `tell`; coming orders are treated as usual."""
    with _venue() as venue:
        venue.forget_instructions()
    click.echo("Coming orders are treated as usual.")


def _session_text(session: SessionReport) -> str:
    text = "the market is open" if session.is_open else "the market is closed"
    if session.opens_at is not None:
        text += f", opens at {session.opens_at:%Y-%m-%d %H:%M:%S} UTC"
    if session.closes_at is not None:
        text += f", closes at {session.closes_at:%Y-%m-%d %H:%M:%S} UTC"
    return text
