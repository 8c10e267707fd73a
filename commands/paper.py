"""Commands for the paper broker: look at it, quote prices, and rehearse a broker's bad days."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from typing import Any

import click
from flask import current_app
from flask.cli import AppGroup

from brokers.errors import BrokerError
from brokers.paper.instructions import Instruction, Kind
from brokers.paper.venue import PaperVenue
from domain.ticker import TickerError, parse_symbol
from services.accounts import paper_settings

ACCOUNT = "paper"

paper = AppGroup("paper", help="Look at the paper broker, quote prices, rehearse bad days.")


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
    """Show cash and positions."""
    with _venue() as venue:
        account, positions = venue.account(ACCOUNT), venue.positions(ACCOUNT)
    click.echo(f"cash {account.cash:f} {account.currency}")
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


@paper.command("tell")
@click.argument("kind", type=click.Choice([kind.value for kind in Kind]))
@click.option("--symbol", type=Symbol(), help="Only orders of this symbol.")
@click.option("--times", type=click.IntRange(1, 10_000), default=1, show_default=True, help="How many orders.")
@click.option("--seconds", type=float, default=0.0, help="For delay, late and hang.")
@click.option("--quantity", type=Number(), help="For partial: how many shares fill.")
@click.option("--reason", default="rejected as instructed", help="For reject.")
def tell(kind: str, symbol: str | None, times: int, **details: Any) -> None:
    """Tell the venue how to treat the next orders: reject, delay, partial, work, drop_answer, …"""
    with _venue() as venue:
        venue.instruct(Instruction(kind=Kind(kind), symbol=symbol, **details), times)
    click.echo(f"The next {times} order(s){f' of {symbol}' if symbol else ''}: {kind}.")


@paper.command("forget")
def forget() -> None:
    """Take back what the venue was told; coming orders are treated as usual."""
    with _venue() as venue:
        venue.forget_instructions()
    click.echo("Coming orders are treated as usual.")
