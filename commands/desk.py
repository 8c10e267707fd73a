"""Commands for set-up, users, secrets and health."""

from __future__ import annotations

import secrets
from datetime import timedelta

import click
from flask import current_app
from flask.cli import AppGroup, with_appcontext

from commands.common import actor, run
from domain.enums import Role
from services.accounts.rotate_credentials import reseal_all
from services.health import check_health, check_keys, check_stranded
from services.identity import passphrases
from services.identity import users as identity_users
from services.reports.unmonitored_accounts import check_accounts
from services.setup import prepare_database

users = AppGroup("users", help="Add, list, change and delete users.")
secret_group = AppGroup("secrets", help="Change the webhook passphrase; encrypt stored keys anew.")


@click.command("setup")
@with_appcontext
def setup_command() -> None:
    """Bring the database up to date; at first start make the admin and the passphrase."""
    made = run(lambda: prepare_database(current_app.config["DESK"]))
    if made.admin_password:
        click.echo(f"admin password (shown only now):     {made.admin_password}")
    if made.passphrase:
        click.echo(f"webhook passphrase (shown only now): {made.passphrase}")
    click.echo("The database is up to date.")


@click.command("health")
@with_appcontext
def health_command() -> None:
    """Check database, migrations, worker, stored keys, accounts and positions; exit code 1 when something is wrong."""
    checks = [*check_health(), check_keys(), check_accounts(), check_stranded()]
    for check in checks:
        word = "ok  " if check.ok else "warn" if check.warns else "FAIL"
        click.echo(f"{word} {check.name}: {check.text}")
    if not all(check.ok or check.warns for check in checks):
        raise SystemExit(1)


@users.command("add")
@click.argument("username")
@click.option("--admin", is_flag=True, help="Give the admin role.")
@click.password_option()
def add_user(username: str, admin: bool, password: str) -> None:
    """Add a user."""
    run(lambda: identity_users.create_user(username, password, Role.ADMIN if admin else Role.USER, actor=actor()))
    click.echo(f"User {username} added.")


@users.command("list")
def list_users() -> None:
    """List users with their roles."""
    for user in identity_users.list_users(None):
        click.echo(f"{user.username}\t{user.role}")


@users.command("password")
@click.argument("username")
@click.password_option()
def set_password(username: str, password: str) -> None:
    """Set a user's password; ends the user's sessions and tokens."""
    run(lambda: identity_users.change_user(username, password, actor=actor()))
    click.echo(f"Password of {username} changed; older sessions and tokens are ended.")


@users.command("delete")
@click.argument("username")
@click.confirmation_option(prompt="Delete this user?")
def delete_user(username: str) -> None:
    """Delete a user; the last admin stays."""
    run(lambda: identity_users.delete_user(username, actor=actor()))
    click.echo(f"User {username} deleted.")


@secret_group.command("passphrase")
@click.option("--value", help="The new passphrase; made and shown when absent.")
@click.option(
    "--keep-old-hours",
    type=click.IntRange(0, 24 * 30),
    default=0,
    help="How long older passphrases still work.",
)
def change_passphrase(value: str | None, keep_old_hours: int) -> None:
    """Change the webhook passphrase."""
    new = value or secrets.token_urlsafe(32)
    run(lambda: passphrases.set_passphrase(new, timedelta(hours=keep_old_hours)))
    if not value:
        click.echo(f"webhook passphrase (shown only now): {new}")
    click.echo(f"Changed; older passphrases end {f'in {keep_old_hours} h' if keep_old_hours else 'now'}.")


@secret_group.command("reseal")
def reseal_keys() -> None:
    """Encrypt the keys of all broker accounts with the first key of CREDENTIALS_KEY."""
    done = reseal_all(actor())
    click.echo(f"Encrypted anew: the keys of {done.count} account(s).")
    if done.unreadable:
        names = ", ".join(done.unreadable)
        raise click.ClickException(f"The keys of {names} cannot be read: CREDENTIALS_KEY lacks the one they need.")
