"""Commands of the `flask` program."""

from flask import Flask

from commands import desk, paper


def register_commands(app: Flask) -> None:
    """Add the commands to the app."""
    for command in (desk.setup_command, desk.health_command, desk.users, desk.secret_group, paper.paper):
        app.cli.add_command(command)
