"""Commands to stop the desk and to let it go again, for the moment when no page can be opened."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from commands.common import actor, run
from domain.enums import Scope, StopLevel
from models import Stop
from services.execution import stops

stop_group = AppGroup("stop", help="Stop entries, cancel working orders, close positions; release stops.")
SCOPES = click.Choice([scope.value for scope in Scope])


def _command(level: StopLevel, text: str) -> None:
    @stop_group.command(level.value, help=text)
    @click.option("--scope", type=SCOPES, default=Scope.DESK.value, show_default=True)
    @click.option("--name", default="", help="Of the account, stock or pair; empty for the whole desk.")
    @click.option("--reason", required=True, help="Goes on record.")
    def set_stop(scope: str, name: str, reason: str) -> None:
        form = stops.StopForm(level=level, scope=Scope(scope), name=name, reason=reason)
        stop = run(lambda: stops.set_stop(form, actor()))
        click.echo(f"In force: {_line(stop)}")


_command(StopLevel.ENTRIES, "Open no new position and make none larger; exits go on.")
_command(StopLevel.CANCEL, "Stop entries and cancel working orders.")
_command(StopLevel.FLATTEN, "Stop entries, cancel working orders and close positions.")


@stop_group.command("release")
@click.argument("number", type=click.IntRange(min=1))
@click.option("--reason", required=True, help="Goes on record.")
def release(number: int, reason: str) -> None:
    """Release a stop."""
    stop = run(lambda: stops.release_stop(number, reason, actor()))
    click.echo(f"Released: {_line(stop)}")


@stop_group.command("list")
@click.option("--all", "everything", is_flag=True, help="Those released, too.")
def list_stops(everything: bool) -> None:
    """List the stops in force and how far they have come."""
    found = stops.list_stops(in_force=not everything)
    for stop in found:
        click.echo(_line(stop))
    if not found:
        click.echo("No stop is in force." if not everything else "There was no stop yet.")


def _line(stop: Stop) -> str:
    where = f"{stop.scope} {stop.scope_name}".strip()
    done = "done" if stop.done_at else stop.progress or "not carried out yet"
    released = f", released by {stop.released_by}" if stop.released_at else ""
    since = f"since {stop.at:%Y-%m-%d %H:%M:%S} UTC by {stop.actor}"
    return f"{stop.id}  {stop.level}  {where}  {since}: {stop.reason} ({done}{released})"
