"""`make run`: set up what is missing, say where to go, then run web and worker until Ctrl-C."""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
from pathlib import Path
from typing import NoReturn

from config import ROOT, Config, ConfigError
from services.setup import FirstSecrets, prepare_database

TEMPLATE = ROOT / "local" / "tradingview_alert.json"
PROCESSES = ("web", "worker")


def main() -> NoReturn:
    """Prepare and start; ends with exit code 1 and one clear line when it cannot."""
    os.umask(0o077)  # the database and the keys are nobody else's business
    try:
        config = Config.from_env()
        _check_folder(config.instance_dir)
        _check_port(config)
        made = _set_up(config)
    except ConfigError as e:
        sys.exit(f"The desk cannot start. {e}")
    print(_banner(config, made), flush=True)
    # Honcho numbers the ports of its processes from this one; the programs come from our own environment.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    os.environ["PYTHONUNBUFFERED"] = "1"
    os.chdir(ROOT)
    os.execv(  # noqa: S606 - the shell would only stand between Ctrl-C and the processes
        sys.executable, [sys.executable, "-m", "honcho", "start", "--port", str(config.port), *PROCESSES]
    )


def _check_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as e:
        raise ConfigError(f"INSTANCE_DIR: {folder} cannot be made ({e.strerror}).") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"INSTANCE_DIR: {folder} cannot be written.")


def _check_port(config: Config) -> None:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((config.host, config.port))
        except OSError as e:
            if e.errno == errno.EADDRINUSE:
                raise ConfigError(
                    f"PORT: {config.port} is taken by another program; try PORT={config.port + 1} make run"
                ) from None
            raise ConfigError(f"HOST, PORT: cannot listen on {config.host}:{config.port} ({e.strerror}).") from None


def _set_up(config: Config) -> FirstSecrets:
    from sqlalchemy.exc import SQLAlchemyError

    from app import create_app

    app = create_app(config)
    try:
        with app.app_context():
            return prepare_database(config)
    except SQLAlchemyError as e:
        reason = str(getattr(e, "orig", None) or e).strip().splitlines()[0]
        raise ConfigError(f"DATABASE_URL: the database cannot be used ({reason}).") from None


def _banner(config: Config, made: FirstSecrets) -> str:
    url = config.base_url
    lines = [
        "",
        f"  Dashboard    {url}/",
        f"  API docs     {url}/v3/docs",
        f"  Webhook URL  {url}/v3/webhook",
        "",
    ]
    if made.admin_password:
        lines += [
            "  Shown only this once. To change them:",
            "  .venv/bin/flask users password admin, .venv/bin/flask secrets passphrase",
        ]
        lines += [f"    log in as            admin / {made.admin_password}"]
    if made.passphrase:
        lines += [f"    webhook passphrase   {made.passphrase}", ""]
    message = json.loads(TEMPLATE.read_text(encoding="utf-8"))
    message["passphrase"] = made.passphrase or message["passphrase"]
    lines += ["  The message of a TradingView strategy alert:", ""]
    lines += [f"  {line}" for line in json.dumps(message, indent=2).splitlines()]
    return "\n".join([*lines, "", "  Ctrl-C stops the desk.", ""])


if __name__ == "__main__":
    main()
