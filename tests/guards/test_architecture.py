"""Rules of the architecture: imports point one way, one place commits, every way in is guarded."""

import ast
import re
from pathlib import Path

import pytest

import config
from resources.base import ApiResource, Endpoint
from resources.openapi import api_rules

ROOT = Path(__file__).resolve().parents[2]

MAY_IMPORT = {
    "domain": {"domain"},
    "brokers": {"brokers", "domain"},
    "models": {"models", "domain", "extensions"},
    "services": {"services", "models", "domain", "brokers", "engines", "extensions", "config", "logs"},
    "resources": {"resources", "services", "models", "domain", "extensions"},
    "dashboard": {"dashboard", "services", "models", "domain", "extensions", "config"},
    "config.py": {"config_files", "config_values"},
    "config_files.py": {"config_values"},
    "config_values.py": set(),
    "engines.py": {"sqlite_turns"},
    "extensions.py": {"engines"},
    "logs.py": set(),
    "sqlite_turns.py": set(),
}
OURS = {path.stem for path in ROOT.glob("*.py")} | {path.parent.name for path in ROOT.glob("*/__init__.py")}


def files(*places):
    for place in places:
        path = ROOT / place
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path]


def imported(path):
    """Yield the first part of the name of each module that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relative to itself"
            yield str(node.module).partition(".")[0]


def lines_with(pattern, *places):
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files(*places)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(pattern, line)
    ]


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_imports_point_one_way(part):
    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files(part)
        for name in set(imported(path)) & OURS - MAY_IMPORT[part]
    }
    assert wrong == set()


def test_the_rule_knows_all_our_modules():
    assert {"app", "config", "extensions", "domain", "brokers", "models", "services", "resources", "dashboard"} <= OURS


def test_the_domain_knows_no_framework():
    frameworks = {"flask", "sqlalchemy", "pydantic", "requests", "socket", "time", "os"}
    assert {name for path in files("domain") for name in imported(path)} & frameworks == set()


def test_one_place_commits():
    assert (
        lines_with(
            r"\bcommit\(", "app.py", "commands", "dashboard", "domain", "models", "resources", "services", "worker.py"
        )
        == []
    )
    assert len(lines_with(r"\bcommit\(", "extensions.py")) == 1


def test_only_services_open_transactions():
    opening = r"\btransaction\("
    outside = ("app.py", "brokers", "commands", "dashboard", "domain", "models", "resources", "worker.py")
    assert lines_with(opening, *outside) == []
    assert len(lines_with(opening, "services")) > 20


def test_money_is_never_a_float():
    assert lines_with(r"\bfloat\(", "domain", "services", "models") == []


def test_every_resource_method_says_who_may_call_it(app):
    methods = {
        (resource.__name__, verb): getattr(getattr(resource, verb.lower()), "__endpoint__", None)
        for rule, resource in api_rules(app)
        for verb in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert len(methods) > 25
    assert {name for name, endpoint in methods.items() if not isinstance(endpoint, Endpoint)} == set()
    classes = [cls for cls in ApiResource.__subclasses__() if cls.__module__.startswith("resources.")]
    assert {cls.__name__ for cls in classes} == {name for name, _ in methods}  # none is left without a route


def test_a_resource_method_without_a_word_cannot_be_written():
    with pytest.raises(TypeError, match=r"Careless.post has no @endpoint"):
        type("Careless", (ApiResource,), {"post": lambda self: None})


def test_the_readme_shows_the_settings_as_they_are():
    readme = ROOT / "README.md"
    if readme.exists():
        assert config.settings_table() in readme.read_text()
