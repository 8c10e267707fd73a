"""Commands for broker accounts: add them, set their keys, switch live trading."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

import click
from flask.cli import AppGroup

from brokers.registry import SPECS, USUAL, opened_with_credentials
from commands.common import actor, run
from domain.enums import Environment
from services.accounts import broker_accounts
from services.accounts.broker_accounts import AccountForm, KnownAccount
from services.accounts.broker_keys import Keys
from services.accounts.check_account import check_account

account_group = AppGroup("accounts", help="Add broker accounts, set their keys, switch live trading, ask the broker.")
ENVIRONMENTS = click.Choice([environment.value for environment in Environment])


def credential_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each credential that is not secret; those are asked for, never options."""
    for name, label in {
        each.name: each.label for spec in SPECS.values() for each in spec.credentials if not each.is_secret
    }.items():
        option = click.option(f"--{name.replace('_', '-')}", name, help=f"{label}; asked for when absent.")
        command = option(command)
    return command


secret_option = click.option(
    "--secret-stdin", is_flag=True, help="Read what is secret from standard input, a line each."
)
reason_option = click.option("--reason", required=True, help="Goes on record.")


@account_group.command("add")
@click.argument("name")
@click.option("--environment", type=ENVIRONMENTS, default=Environment.PAPER.value, show_default=True)
@click.option("--broker", type=click.Choice(opened_with_credentials()), default=USUAL, show_default=True)
@credential_options
@secret_option
def add(name: str, environment: str, broker: str, secret_stdin: bool, **given: str | None) -> None:
    """Add an account at a broker; its keys are tried first."""
    keys = _read_keys(broker, given, secret_stdin)
    form = AccountForm(name=name, broker=broker, environment=Environment(environment), keys=keys)
    run(lambda: broker_accounts.add_account(form, actor()))
    click.echo(f"Added: {_line(broker_accounts.get_account(name))}")


@account_group.command("keys")
@click.argument("name")
@credential_options
@secret_option
def set_keys(name: str, secret_stdin: bool, **given: str | None) -> None:
    """Set other keys of the same account; they are tried first."""
    broker = run(lambda: broker_accounts.get_account(name)).account.broker
    keys = _read_keys(broker, given, secret_stdin)
    run(lambda: broker_accounts.set_keys(name, keys, actor()))
    click.echo(f"Set: {_line(broker_accounts.get_account(name))}")


@account_group.command("live")
@click.argument("name")
@click.argument("state", type=click.Choice(["on", "off"]))
@reason_option
def live(name: str, state: str, reason: str) -> None:
    """Switch live trading of an account on or off; on = real money is traded."""
    run(lambda: broker_accounts.switch_live(name, state == "on", reason, actor()))
    click.echo(_line(broker_accounts.get_account(name)))


@account_group.command("check")
@click.argument("name")
def check(name: str) -> None:
    """Check that the broker opens the account now; exit code 1 when it does not."""
    found = run(lambda: check_account(name))
    click.echo(f"{'ok  ' if found.ok else 'FAIL'} {name}: {found.text}")
    if found.report is not None:
        click.echo(f"buying power {found.report.buying_power:f} {found.report.currency}")
    if not found.ok:
        raise SystemExit(1)


@account_group.command("remove")
@click.argument("name")
@click.option("--keys-only", is_flag=True, help="Forget its keys; the account and its history stay.")
@reason_option
def remove(name: str, keys_only: bool, reason: str) -> None:
    """Remove an account at which nothing was traded, or only its keys."""
    if keys_only:
        run(lambda: broker_accounts.remove_keys(name, reason, actor()))
        click.echo(_line(broker_accounts.get_account(name)))
    else:
        run(lambda: broker_accounts.remove_account(name, reason, actor()))
        click.echo(f"Account {name} removed.")


@account_group.command("list")
def list_accounts() -> None:
    """List accounts; never their keys."""
    for known in broker_accounts.list_accounts():
        click.echo(_line(known))


def _read_keys(broker: str, given: Mapping[str, str | None], secret_stdin: bool) -> Keys:
    # None stays in the shell's history: what is secret is no option.
    values = {}
    for each in SPECS[broker].credentials if broker in SPECS else ():
        value = None if each.is_secret else given.get(each.name)
        if value is None and each.is_secret and secret_stdin:
            value = sys.stdin.readline()
        values[each.name] = (str(click.prompt(each.label, hide_input=True)) if value is None else value).strip()
    return Keys(**values)


def _line(known: KnownAccount) -> str:
    account = known.account
    words = [account.name, account.broker]
    if known.wants_keys:
        words += [account.environment, f"key …{account.key_hint}" if account.credentials else "no keys"]
        words += [account.broker_number] if account.broker_number else []
    if account.environment == Environment.LIVE:
        words.append("LIVE TRADING ON" if account.live_enabled else "live trading off")
    return "  ".join([*words, *(["default"] if account.is_default else [])])
