"""Developers can follow the docs: every file and folder that they name is there, and the names in them too."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guards.test_packages import ORDER

ROOT = Path(__file__).resolve().parents[2]
DOCS = sorted((ROOT / "docs" / "developers").glob("*.md"))
EXPECTED = {"architecture", "glossary", "add-a-check", "add-a-broker", "add-a-setting", "add-a-page"}
# Whatever has a slash within, and files at the top; addresses of the API begin with a slash and are none.
PATH = re.compile(
    r"(?<![\w/.-])(?!\.venv)(?:(?:\.?[\w-][\w.-]*/)+[\w.-]*|[\w-]+(?:\.[\w-]+)*\.(?:py|md|txt|in|toml|json|css|js|html))"
)
LINK = re.compile(r"\]\(([^)#:]+)\)")
NAME = re.compile(r"`([A-Za-z_]+)(?:\([^`]*\))?` (?:of|in) `([\w./-]+\.py)`")


def named(doc: Path) -> Iterator[str]:
    """Yield the paths that a doc names, in its text and in its diagrams."""
    text = LINK.sub("]", doc.read_text())
    yield from (match[0].rstrip(".") for match in PATH.finditer(text))


def missing(doc: Path) -> list[str]:
    gone = [name for name in named(doc) if not (ROOT / name).exists()]
    return gone + [link for link in LINK.findall(doc.read_text()) if not (doc.parent / link).exists()]


def test_all_pages_are_there():
    assert {doc.stem for doc in DOCS} >= EXPECTED
    assert sum(1 for doc in DOCS for _ in named(doc)) > 60  # the paths were found


@pytest.mark.parametrize("doc", DOCS, ids=lambda doc: doc.stem)
def test_every_path_is_there(doc):
    assert missing(doc) == []


@pytest.mark.parametrize("doc", DOCS, ids=lambda doc: doc.stem)
def test_every_name_stands_in_its_file(doc):
    gone = [
        f"{name} in {file}"
        for name, file in NAME.findall(doc.read_text())
        if not re.search(rf"\b{name}\b", (ROOT / file).read_text())
    ]
    assert gone == []


def test_the_order_of_the_packages_of_services_is_told_as_it_is():
    text = (ROOT / "docs" / "developers" / "architecture.md").read_text()
    told = re.findall(r"`services/(\w+)/`", text[text.index("lowest first") :])
    assert told == [name for name in ORDER if (ROOT / "services" / name).is_dir()]


def test_the_readme_leads_to_each_page():
    links = set(LINK.findall((ROOT / "README.md").read_text()))
    assert {f"docs/developers/{doc.name}" for doc in DOCS} <= links
    assert "CHANGELOG.md" in links


def test_the_readme_links_to_what_is_there():
    links = LINK.findall((ROOT / "README.md").read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_a_path_that_is_gone_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("`services/gone.py`, `gone.py`, `gone/`, `services/`, `/v3/docs`, [a link](gone.md), `README.md`.")
    assert missing(page) == ["services/gone.py", "gone.py", "gone/", "gone.md"]
