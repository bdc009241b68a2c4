"""The table of the standard names tests that exist; the security page holds to the code."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import NamedTuple

from docs import generate
from roost.identity import administration
from roost.identity.access import principals
from roost.identity.access.cache import PrincipalCache
from roost.identity.login import attempts
from roost.identity.workspaces import invitation_model
from roost.web.rate import Limiter, Limits
from tests.docs import pages
from tests.docs.pages import DOCS, REFERENCE, ROOT

TABLE, PAGE = REFERENCE / "asvs.md", DOCS / "explanation" / "security.md"
STATES = ("met", "partly", "not met", "operator")
# Version 5.0.0: requirements of level 1, and of level 2 alone.
OF_THE_STANDARD = {"L1": 70, "L2": 183}
# Chapters whose first section asks for documentation; there a page may show it.
DOCUMENTED = {2, 5, 6, 7, 8, 11, 13, 14, 15, 16}
NO_WAY_IN = {"GET /api/v1/auth/providers", "GET /api/v1/invitations/{token}"}
"""Routes without log-in that only tell something to those who will come in by another."""


class Requirement(NamedTuple):
    """A row of the table."""

    id: str
    level: str
    text: str
    state: str
    shown: str

    @property
    def tests(self) -> list[str]:
        """The tests that are named."""
        return re.findall(r"`(tests/[^`]+)`", self.shown)


def requirements() -> list[Requirement]:
    """Read the rows, in their order."""
    rows = re.findall(r"^\| (\d[^|]*\|.*) \|$", pages.text_of(TABLE), re.MULTILINE)
    return [Requirement(*(cell.strip() for cell in row.split("|"))) for row in rows]


def inapplicable() -> list[str]:
    """Read the ids of what does not apply."""
    lists = re.findall(r"^\| V\d+ \| ([\d., ]+) \| .+ \|$", pages.text_of(TABLE), re.MULTILINE)
    return [one for ids in lists for one in ids.split(", ")]


def section(name: str) -> str:
    """Read a section of the security page."""
    found = re.search(
        rf"^## {name}$(.*?)(?=^## |\Z)", pages.text_of(PAGE), re.DOTALL | re.MULTILINE
    )
    assert found, f"the page has no section {name}"
    return found[1]


@cache
def names_in(file: Path) -> frozenset[str]:
    """Give the names of the tests in a file."""
    tree = ast.parse(file.read_text("utf-8"))
    return frozenset(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    )


def test_every_test_that_is_named_exists() -> None:
    named = {test for one in requirements() for test in one.tests}
    assert len(named) > 100
    missing = []
    for test in sorted(named):
        path, _, name = test.partition("::")
        file = ROOT / path
        if not file.is_file() or name not in names_in(file):
            missing.append(test)
    assert not missing


def test_every_requirement_stands_once_with_a_known_state() -> None:
    found = requirements()
    ids = [one.id for one in found]
    every = ids + inapplicable()
    assert len(set(every)) == len(every)
    assert all(re.fullmatch(r"\d{1,2}\.\d{1,2}\.\d{1,2}", one) for one in every)
    assert ids == sorted(ids, key=lambda one: [int(part) for part in one.split(".")])
    assert {one.level for one in found} <= OF_THE_STANDARD.keys()
    assert {one.state for one in found} <= set(STATES)
    assert len(every) == sum(OF_THE_STANDARD.values())


def test_each_state_says_what_it_rests_on() -> None:
    for one in requirements():
        chapter, part, _ = (int(number) for number in one.id.split("."))
        linked = bool(pages.links(one.shown))
        prose = re.sub(r"`tests/[^`]+`|<br>", "", one.shown).strip()
        match one.state:
            case "met":
                assert one.tests or (linked and part == 1 and chapter in DOCUMENTED), one.id
            case "operator":
                assert linked, one.id
            case "partly":
                assert prose, one.id
            case _:
                assert prose, one.id
                assert not one.tests, one.id


def test_the_counts_at_the_top_are_those_of_the_table() -> None:
    found = Counter((one.state, one.level) for one in requirements())
    row = re.compile(r"^\| ([a-z ]+) \| (\d+) \| (\d+) \| (\d+) \|$", re.MULTILINE)
    said = {
        name: [int(one) for one in counts] for name, *counts in row.findall(pages.text_of(TABLE))
    }
    for state in STATES:
        low, high = found[state, "L1"], found[state, "L2"]
        assert said[state] == [low, high, low + high], state
    totals = [sum(column) for column in zip(*said.values(), strict=True)]
    assert totals == [*OF_THE_STANDARD.values(), sum(OF_THE_STANDARD.values())]
    assert said["does not apply"][2] == len(inapplicable())


def test_the_page_names_the_lifetimes_that_the_code_has() -> None:
    table = dict(
        re.findall(r"^\| ([\w ,-]+) \| (.+?) \| .+ \|$", section("Credentials"), re.MULTILINE)
    )

    def days(interval: object) -> str:
        return re.sub(r"interval '(.+)'", r"\1", str(interval))

    assert table["session"] == (
        f"{days(principals.IDLE)} without use, {days(principals.LIFETIME)} in any case"
    )
    hours = administration.LINK_LIFE.total_seconds() / 3600
    assert table["log-in link"] == f"{hours:g} hour"
    begun = table["log-in at a provider, begun"]
    assert begun == f"{attempts.LIFE_SECONDS / 60:g} minutes"
    usual, most = invitation_model.DEFAULT_SECONDS, invitation_model.MAX_SECONDS
    assert table["invitation"] == f"{usual / 86400:g} days, or up to {most / 86400:g} days"
    assert f"for {PrincipalCache().max_age:g} seconds at most" in section("Credentials")


class Asked(Limits):
    """Remembers which limits were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.named: dict[str, tuple[int, int]] = {}

    def limit(self, name: str, *, quota: int, window: int) -> Limiter:
        """Make the limit, and remember it."""
        self.named[name] = (quota, window)
        return super().limit(name, quota=quota, window=window)


def test_the_page_names_the_limits_that_the_code_has() -> None:
    asked = Asked()
    generate.endpoints(limits=asked)
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| ", section("Limits on requests"), re.MULTILINE)
    assert {name: (int(quota), 60) for name, quota in rows} == asked.named


def test_the_page_names_every_way_in() -> None:
    text = section("Ways in")
    ways = {
        generate.route(one)
        for one in generate.endpoints()
        if one.contract.permission is None and one.contract.tag != "service"
    }
    assert len(ways) > 4
    for way in ways - NO_WAY_IN:
        assert f"`{way.partition(' ')[2]}`" in text, way
