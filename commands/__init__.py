"""Commands of the `flask` program."""

from flask import Flask

from commands import accounts, brokerage, desk, paper, stops


def register_commands(app: Flask) -> None:
    """Add the commands to the app."""
    groups = (
        desk.users,
        desk.secret_group,
        accounts.account_group,
        brokerage.brokerage_group,
        stops.stop_group,
        paper.paper,
    )
    for command in (desk.setup_command, desk.health_command, *groups):
        app.cli.add_command(command)
