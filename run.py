"""`make run`: set up what is missing, say where to go, then keep web and worker running until Ctrl-C."""

from __future__ import annotations

import errno
import json
import os
import shlex
import socket
import sys
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from config import ROOT, Config, ConfigError
from services.setup import FirstSecrets, prepare_database

TEMPLATE = ROOT / "local" / "tradingview_alert.json"
PROCESSES = ("web", "worker")
SIMULATOR_ACCOUNT, SIMULATOR_SETTING = "alpaca-sim", "ALPACA_SIMULATOR_URL"
SIMULATED = ROOT / "local" / "alpaca-sim.procfile"  # the same two, and the venue


def main() -> NoReturn:
    """Prepare and start; ends with exit code 1 and one clear line when it cannot."""
    os.umask(0o077)  # the database and the keys are nobody else's business
    try:
        config = Config.from_env()
        _check_folder(config.instance_dir)
        _check_port("PORT", config.host, config.port)
        simulator = _simulator(config)
        made = _set_up(config)
    except ConfigError as e:
        sys.exit(f"The desk cannot start. {e}")
    print(_banner(config, made, simulator), flush=True)
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    os.environ["PYTHONUNBUFFERED"] = "1"
    os.chdir(ROOT)
    command = [sys.executable, "supervisor.py", *PROCESSES]
    if simulator is not None:
        os.environ |= {
            "SIMULATOR_PORT": str(simulator),
            "SIMULATOR_STATE": str(config.instance_dir / "alpaca-sim.json"),
        }
        command += ["venue", "--procfile", str(SIMULATED)]
    os.execv(sys.executable, command)  # noqa: S606 - the shell would only stand between Ctrl-C and the processes


def _check_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as e:
        raise ConfigError(f"INSTANCE_DIR: {folder} cannot be made ({e.strerror}).") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"INSTANCE_DIR: {folder} cannot be written.")


def _check_port(setting: str, host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as e:
            if e.errno != errno.EADDRINUSE:
                raise ConfigError(f"{setting}: cannot listen on {host}:{port} ({e.strerror}).") from None
            raise ConfigError(f"{setting}: {port} is taken by another program; try {_again(setting, port)}") from None


def _again(setting: str, port: int) -> str:
    """Return the command that was given, with another port and all that was said before."""
    other = f"http://127.0.0.1:{port + 1}" if setting == SIMULATOR_SETTING else str(port + 1)
    words = {
        name: os.environ[name]
        for name in (SIMULATOR_SETTING, "PORT", "HOST", "BROKER", "INSTANCE_DIR")
        if name in os.environ
    }
    words[setting] = other
    return " ".join([*(f"{name}={shlex.quote(value)}" for name, value in words.items()), "make run"])


def _simulator(config: Config) -> int | None:
    """Return the port of the simulator that is to run beside the desk, None when there is none or it runs elsewhere."""
    parts = urlsplit(config.alpaca_simulator_url)
    if config.broker != SIMULATOR_ACCOUNT or parts.hostname not in ("127.0.0.1", "localhost"):
        return None
    port = parts.port or 80
    _check_port(SIMULATOR_SETTING, "127.0.0.1", port)
    return port


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


def _banner(config: Config, made: FirstSecrets, simulator: int | None) -> str:
    url = config.base_url
    lines = [
        "",
        f"  Dashboard    {url}/",
        f"  API docs     {url}/v3/docs",
        f"  Webhook URL  {url}/v3/webhook",
        "",
    ]
    if simulator is not None:
        lines += [f"  Orders go to the Alpaca simulator at {config.alpaca_simulator_url}: no real money.", ""]
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
