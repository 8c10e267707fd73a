"""Run the Postman collection by newman against a fresh desk: own folder, port, secrets and processes.

Exit code 0: every request and check passed, or there is no Node and REQUIRE_ALL is not 1. Otherwise 1.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = ROOT / "local" / "Pairs-API-v3.postman_collection.json"
ENVIRONMENT = ROOT / "local" / "Pairs-API.postman_environment.json"
NEWMAN = "newman@6.2.2"
WORKING = "WORK.NEWMAN"  # a symbol whose orders the venue lets work, so that some can be canceled
CACHE = ROOT / ".venv" / "newman"
PROGRAMS = Path(sys.executable).parent  # of the virtual environment: flask, gunicorn
START_SECONDS = 60
STOP_SECONDS = 30


class Failed(Exception):
    """The run cannot go on; the text says why."""


class LeftOut(Exception):
    """What the run needs is not on this machine; the text says what."""


def main() -> int:
    """Run the collection and return the exit code."""
    # Like Ctrl-C, so that the servers are stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for path in (COLLECTION, ENVIRONMENT):
            if not path.is_file():
                raise Failed(f"{path.relative_to(ROOT)} does not exist")
        newman = find_newman()
        with (
            tempfile.TemporaryDirectory(prefix="pairs-newman-") as folder,
            running_desk(Path(folder)) as desk,
        ):
            return run_collection(newman, desk)
    except LeftOut as e:
        print(f"left out: Postman collection ({e})")
        return 1 if os.environ.get("REQUIRE_ALL") == "1" else 0
    except Failed as e:
        print(f"Postman collection: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def find_newman() -> Path:
    """Return newman's program; installs it at first use."""
    return find_program("newman", NEWMAN, CACHE)


def find_program(name: str, package: str, folder: Path) -> Path:
    """Return a program of npm's in a folder of its own; installs it at first use, others who want it wait."""
    if not (shutil.which("node") and shutil.which("npm")):
        raise LeftOut("no Node found")
    program = folder / "node_modules" / ".bin" / name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            command = [
                "npm",
                "install",
                "--prefix",
                str(folder),
                "--no-save",
                "--no-audit",
                "--no-fund",
                "--silent",
                package,
            ]
            installed = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            if installed.returncode or not program.exists():
                raise LeftOut(f"npm cannot install {package}")
    return program


@contextlib.contextmanager
def running_desk(folder: Path) -> Iterator[dict[str, str]]:
    """Start the desk and yield the variables the collection needs; stop it afterwards, whatever happens."""
    port = free_port()
    desk = {
        "baseUrl": f"http://127.0.0.1:{port}",
        "adminPassword": secrets.token_urlsafe(18),
        "passphrase": secrets.token_urlsafe(24),
        "workingSymbol": WORKING,
    }
    # Only what a process needs to live, so that no setting of this machine gets in.
    env = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    env |= {
        "PATH": f"{PROGRAMS}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PYTHONUNBUFFERED": "1",
        "INSTANCE_DIR": str(folder / "instance"),
        "DATABASE_URL": f"sqlite:///{folder}/instance/desk.db",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "ADMIN_PASSWORD": desk["adminPassword"],
        "WEBHOOK_PASSPHRASE": desk["passphrase"],
        "BROKER": "paper",
    }
    (folder / "instance").mkdir()
    log_path = folder / "log"
    with log_path.open("w") as log:
        for words in (["setup"], ["paper", "tell", "work", "--symbol", WORKING, "--times", "2"]):
            flask = [str(PROGRAMS / "flask"), "--app", "app", *words]
            if subprocess.run(flask, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log).returncode:
                raise Failed(f"`flask {' '.join(words)}` failed:\n{log_path.read_text()}")
        commands = (
            [str(PROGRAMS / "gunicorn"), "--config", "gunicorn.conf.py", "app:create_app()"],
            [sys.executable, "worker.py"],
        )
        processes: list[subprocess.Popen[bytes]] = []
        try:
            for command in commands:
                process = subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
                processes.append(process)
            wait_until_ready(f"{desk['baseUrl']}/readyz", processes, log_path)
            yield desk
            if ended := [process.args for process in processes if process.poll() is not None]:
                raise Failed(f"{ended} ended during the run:\n{tail(log_path)}")
        finally:
            stop(processes)


def free_port() -> int:
    """Return a port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(url: str, processes: list[subprocess.Popen[bytes]], log_path: Path) -> None:
    """Return when the desk says that it is ready."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if any(process.poll() is not None for process in processes):
            raise Failed(f"the desk ended while it started:\n{tail(log_path)}")
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise Failed(f"the desk was not ready within {START_SECONDS} seconds:\n{tail(log_path)}")


def run_collection(newman: Path, desk: dict[str, str]) -> int:
    """Run newman, its report to our output, and return its exit code."""
    command = [str(newman), "run", str(COLLECTION), "--environment", str(ENVIRONMENT)]
    command += ["--reporter-cli-no-banner", "--timeout-request", "15000"]
    for name, value in desk.items():
        command += ["--env-var", f"{name}={value}"]
    code = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL).returncode
    print(f"Postman collection: {'passed' if code == 0 else 'FAILED'}", flush=True)
    return 1 if code else 0


def stop(processes: list[subprocess.Popen[bytes]]) -> None:
    """Ask every process to end, and end those that do not."""
    for process in processes:
        process.terminate()
    until = time.monotonic() + STOP_SECONDS
    for process in processes:
        try:
            process.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def tail(log_path: Path) -> str:
    """Return the end of the processes' log."""
    return log_path.read_text(errors="replace")[-3000:]


if __name__ == "__main__":
    sys.exit(main())
