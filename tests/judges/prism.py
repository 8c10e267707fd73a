"""Prism, which holds requests and answers against an OpenAPI file, between a client and the simulator."""

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from tests.newman.run_collection import ROOT, Failed, find_program, free_port, stop, tail

PRISM = "@stoplight/prism-cli@5.14.2"
CACHE = ROOT / ".venv" / "prism"
START_SECONDS = 60
PROBLEM = "application/problem+json"  # what Prism itself answers; nobody else here does


@contextlib.contextmanager
def running_prism(description: dict[str, Any], upstream: str, folder: Path) -> Iterator[str]:
    """Yield the address of a Prism that passes on to `upstream` what fits the description, and refuses all else."""
    program, port = find_program("prism", PRISM, CACHE), free_port()
    file, log_path = folder / "description.json", folder / "prism.log"
    file.write_text(json.dumps(description))
    env = {name: os.environ[name] for name in ("HOME", "LANG", "PATH", "TMPDIR") if name in os.environ}
    command = [str(program), "proxy", str(file), upstream, "--errors", "--port", str(port), "--host", "127.0.0.1"]
    with log_path.open("w") as log:
        process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, process, log_path)
        yield url
    finally:
        stop([process])


def _wait(url: str, process: "subprocess.Popen[bytes]", log_path: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(requests.ConnectionError):
            requests.get(url, timeout=5)
            return
        time.sleep(0.1)
    raise Failed(f"Prism did not start:\n{tail(log_path)}")
