"""Rules of the project that a linter does not know."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT_READERS = ("config.py", "run.py", "gunicorn.conf.py", "tests/", "bench/", "faults/launch.py")
PRINTERS = ("run.py", "commands.py", "local/", "bench/", "tests/", ".ci/")
MAX_LINES = 350
# Spelled in pieces, so that this file keeps its own rule.
REGISTRIES = re.compile("pypi" + r"\.org|pythonhosted" + r"\.org|registry\.npmjs" + r"|deb\.debian" + r"\.org")


def _tracked(*endings: str) -> list[Path]:
    """Return the project's files, new ones too, less what git ignores and what others wrote."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):  # no git, or an unpacked archive
        listed = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*")]
    ours = [name for name in listed if not name.startswith((".venv/", "instance/", "static/vendor/"))]
    return [ROOT / name for name in ours if name.endswith(endings) and (ROOT / name).is_file()]


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _lines_matching(pattern: str, *, allowed: tuple[str, ...]) -> list[str]:
    return [
        f"{_name(path)}:{number}: {line.strip()}"
        for path in _tracked(".py")
        if not _name(path).startswith(allowed)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(pattern, line)
    ]


def test_no_file_names_a_package_registry():
    naming = [_name(path) for path in _tracked("") if REGISTRIES.search(path.read_text(errors="ignore"))]
    assert naming == []


def test_only_the_configuration_reads_the_environment():
    assert _lines_matching(r"\bos\.(environ|getenv)\b", allowed=ENVIRONMENT_READERS) == []


def test_only_programs_for_people_print():
    assert _lines_matching(r"(?<![\w.])print\((?!.*noqa: T201 - )", allowed=PRINTERS) == []  # or with a reason


def test_no_time_gets_its_zone_from_pytz_by_argument():
    """`tzinfo=pytz.timezone("America/New_York")` gives -04:56; `localize()` and zoneinfo are right."""
    assert _lines_matching(r"tzinfo\s*=\s*pytz\.(?!utc\b|UTC\b)", allowed=("tests/guards/",)) == []


def test_files_stay_short():
    ours = [
        path
        for path in _tracked(".py", ".html", ".js", ".css")
        if not _name(path).startswith(("migrations/", "tests/"))
    ]
    lengths = {_name(path): len(path.read_text().splitlines()) for path in ours}
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}
