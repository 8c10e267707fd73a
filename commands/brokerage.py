"""Commands for brokerage accounts: look at them."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from domain.account_opening.status import meaning
from services.account_opening.brokerage import all_accounts, owner_names

brokerage_group = AppGroup("brokerage", help="Look at the accounts that people have opened at the brokerage.")


@brokerage_group.command("list")
def list_accounts() -> None:
    """List all accounts: row, environment, e-mail, owner, Alpaca's id, status."""
    rows = all_accounts()
    owners = owner_names(rows)
    for row in rows:
        owner = owners.get(row.owner_id or 0, "-")
        click.echo(f"{row.id}\t{row.environment}\t{row.email}\t{owner}\t{row.alpaca_id or '-'}\t{row.status}")
        click.echo(f"\t{meaning(row.status)}{f' ({row.reason})' if row.reason else ''}")
    if not rows:
        click.echo("no accounts")
