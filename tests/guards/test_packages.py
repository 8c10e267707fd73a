"""Rules of the packages of `services`: imports point one way and never in a circle, and no folder grows beyond sight."""

import ast
import graphlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("brokers", "commands", "dashboard", "domain", "models", "resources", "services", "simulators")

# Packages and single modules of `services`, lowest first: each may import from those above it in this list.
ORDER = (
    "account_lock",
    "among",
    "bell",
    "background",
    "change_feed",
    "timing",
    "failpoints",
    "journal",
    "batch_writes",
    "signal_moves",
    "paging",
    "catalog",
    "ledger",
    "broker_state",
    "intake",
    "identity",
    "accounts",
    "health",
    "execution",
    "reconciliation",
    "planning",
    "reports",
    "interventions",
    "account_opening",
    "worker",
    "setup",
)
# What stands against the order today: the file, and what it may import all the same.
EXCEPTIONS: dict[str, set[str]] = {}

MOST_MODULES = 22
# Folders that are larger and still to be divided: the most that each may hold until then.
LARGER: dict[str, int] = {}


def _modules(*parts: str) -> dict[str, Path]:
    """Return our modules by their dotted names."""
    files = [path for part in parts for path in (ROOT / part).rglob("*.py")]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in files}


def _imported(path: Path, known: dict[str, Path], *, everywhere: bool) -> Iterator[str]:
    """Yield the known modules that a file imports: `everywhere`, or only where it is loaded."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in known else node.module


def _against_the_order(modules: dict[str, Path]) -> set[str]:
    wrong = set()
    for name, path in modules.items():
        file = path.relative_to(ROOT).as_posix()
        if name == "services":
            continue
        own = name.split(".")[1]
        for other in set(_imported(path, modules, everywhere=True)) - EXCEPTIONS.get(file, set()):
            there = other.split(".")[1]
            if there != own and ORDER.index(there) > ORDER.index(own):
                wrong.add(f"{file} imports {other}")
    return wrong


def test_imports_of_services_point_one_way() -> None:
    assert _against_the_order(_modules("services")) == set()


def test_the_order_names_each_package_of_services_once() -> None:
    assert sorted(ORDER) == sorted({name.split(".")[1] for name in _modules("services") if "." in name})


def test_each_exception_is_still_needed() -> None:
    modules = _modules("services")
    for file, allowed in EXCEPTIONS.items():
        assert allowed <= set(_imported(ROOT / file, modules, everywhere=True))


def test_no_module_imports_itself_by_way_of_others() -> None:
    modules = _modules(*PARTS)
    graph = {name: set(_imported(path, modules, everywhere=False)) - {name} for name, path in modules.items()}
    assert sum(map(len, graph.values())) > len(graph)  # the imports were found
    graphlib.TopologicalSorter(graph).prepare()


def test_no_folder_holds_too_many_modules() -> None:
    sizes = Counter(
        path.parent.relative_to(ROOT).as_posix() for path in _modules(*PARTS).values() if path.name != "__init__.py"
    )
    assert sizes["services/execution"] > 5  # they were counted
    assert {folder: size for folder, size in sizes.items() if size > LARGER.get(folder, MOST_MODULES)} == {}
