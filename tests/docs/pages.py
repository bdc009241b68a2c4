"""The documentation as text: its pages, their tables, links, paths and commands."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
PAGES = (*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md")))
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_TREES = ("src/", "docs/", "tests/", "benchmarks/", "requirements/", "deploy/", "examples/", ".ci/")


def text_of(page: Path) -> str:
    """Read a page."""
    return page.read_text("utf-8")


def rows(page: Path, block: str) -> list[tuple[str, ...]]:
    """Read the rows of a generated table, its head left out."""
    text = text_of(page)
    found = re.search(rf"<!-- generated: {block} -->\n(.*?)<!-- end -->", text, re.DOTALL)
    assert found, f"{page} has no block {block}"
    lines = [line for line in found[1].splitlines() if line.startswith("| ")]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
    return [tuple(cell.strip().replace("\\|", "|") for cell in row) for row in cells[2:]]


def links(text: str) -> list[str]:
    """Give the targets of links that lead to a place in the repository."""
    prose = _BLOCK.sub("", text)
    return [link for link in _LINK.findall(prose) if "://" not in link]


def anchors(page: Path) -> set[str]:
    """Give the anchors of a page's headings, as hosts of repositories make them."""
    headings = _HEADING.findall(_BLOCK.sub("", text_of(page)))
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


def paths(text: str) -> Iterator[str]:
    """Give what is written as a path of the repository."""
    for code in _CODE.findall(_BLOCK.sub("", text)):
        if code.startswith(_TREES) and not set(code) & set("<*{ "):
            # A test is named with its file, as pytest does.
            yield code.partition("::")[0]


def blocks(text: str, language: str) -> list[str]:
    """Give the blocks of a language."""
    return [block for each, block in _BLOCK.findall(text) if each == language]


def shell(text: str) -> Iterator[str]:
    """Give the command lines of shell blocks, continued lines joined."""
    for block in blocks(text, "sh"):
        yield from block.replace("\\\n", " ").splitlines()


def commands(text: str, program: str) -> Iterator[list[str]]:
    """Give the calls of a program, in shell blocks and in prose, split at spaces."""
    prose = _BLOCK.sub("", text)
    for line in (*shell(text), *_CODE.findall(prose)):
        for call in re.findall(rf"(?:^|[\s(/=])({program} [^|)>#`;]*)", line):
            yield call.split()


def is_in_repository(path: str) -> bool:
    """Whether it exists, or is what the repository says it makes (and ignores)."""
    if (ROOT / path).exists():
        return True
    asked = ["git", "check-ignore", "--quiet", f"{path.rstrip('/')}/"]
    return subprocess.run(asked, cwd=ROOT, check=False).returncode == 0
