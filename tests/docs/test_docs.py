"""The documentation says what the code does, and nothing that it does not."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from docs import generate
from roost import settings
from roost.errors import CATALOGUE, Entry
from roost.web.principal import AREAS, PERMISSIONS, SCOPES
from tests.docs import pages
from tests.docs.pages import DOCS, NAMES, PAGES, REFERENCE, ROOT

LONGEST_README = 120
FORBIDDEN = re.compile(r"\b(todo|fixme|tbd|xxx|lorem|ipsum|coming soon)\b", re.IGNORECASE)
each_page = pytest.mark.parametrize("page", PAGES, ids=NAMES)
COMMANDS = dict(generate.commands())


def _code(cell: str) -> str:
    return cell.strip("`")


def test_the_generated_tables_are_up_to_date() -> None:
    check = [sys.executable, str(DOCS / "generate.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_a_stale_table_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "reference"
    folder.mkdir()
    fresh = (REFERENCE / "permissions.md").read_text("utf-8")
    (folder / "permissions.md").write_text(fresh.replace("| `admin` |", "| `boss` |"), "utf-8")
    monkeypatch.setattr(generate, "HERE", tmp_path)
    assert generate.stale_pages(write=False) == [folder / "permissions.md"]
    generate.stale_pages(write=True)
    assert (folder / "permissions.md").read_text("utf-8") == generate.filled(fresh)


def test_a_new_error_makes_its_page_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CATALOGUE, "MADE_UP", Entry("MADE_UP", 418, "Made up", "For this test."))
    assert REFERENCE / "errors.md" in generate.stale_pages(write=False)


def test_every_setting_is_documented_with_its_default() -> None:
    table = pages.rows(REFERENCE / "settings.md", "settings")
    assert [(_code(name), _code(default), text) for name, default, text in table] == [
        (one.name, one.default or "empty", one.help) for one in settings.SETTINGS
    ]


def test_every_variable_that_the_code_reads_is_documented_and_no_other() -> None:
    name = r"(?:OTEL|ROOST|DB|DATABASE)_[A-Z_]*[A-Z]"
    source = "".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    read = set(re.findall(rf'"({name})"', source)) - {"ROOST_HANDOVER", *CATALOGUE}
    # These names the code puts together.
    read |= {f"OTEL_EXPORTER_OTLP_{part}" for part in re.findall(r'otlp\("([A-Z_]+)"\)', source)}
    for signal in ("TRACES", "METRICS", "LOGS"):
        read |= {f"OTEL_{signal}_EXPORTER", f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"}
    table = re.findall(r"^\| (.*?) \| ", pages.text_of(REFERENCE / "settings.md"), re.MULTILINE)
    documented = {found for cell in table for found in re.findall(f"`({name})`", cell)}
    assert documented == read


def test_every_error_is_documented_with_its_status() -> None:
    table = pages.rows(REFERENCE / "errors.md", "errors")
    assert {(_code(row[0]), int(row[1])) for row in table} == {
        (code, entry.status) for code, entry in CATALOGUE.items()
    }
    assert all(row[2].endswith(".") for row in table), "each says what has happened"


@each_page
def test_codes_of_errors_in_prose_exist(page: Path) -> None:
    text = pages.text_of(page)
    words = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", text))
    variables = {one.name for one in settings.SETTINGS}
    codes = {
        word
        for word in words
        if word not in variables and not word.startswith(("OTEL_", "ROOST_", "AUTO_", "_"))
    }
    assert codes <= CATALOGUE.keys()


def test_every_route_is_documented_with_its_permission() -> None:
    table = pages.rows(REFERENCE / "api.md", "routes")
    assert {(_code(row[0]), _code(row[2])) for row in table} == {
        (generate.route(one), one.contract.permission or "no log-in")
        for one in generate.endpoints()
    }


@each_page
def test_routes_in_prose_and_examples_exist(page: Path) -> None:
    text = pages.text_of(page)
    shapes = {_shape(one.path) for one in generate.endpoints()}
    named = set(re.findall(r"(?:\$API|/api/v1)(/[\w/{}$-]+)", text))
    missing = {one for one in named if _shape(f"/api/v1{one}") not in shapes}
    assert not missing


def _shape(path: str) -> str:
    """Put `*` for whatever stands for a value: `{id:str}`, `$TASK`, a secret's name."""
    path = re.sub(r"/secrets/[^/]+", "/secrets/*", path.rstrip("/"))
    path = re.sub(r"/auth/[^/]+/", "/auth/*/", path)
    return re.sub(r"\{[^}]*\}|\$[A-Z]+", "*", path)


def test_every_command_is_documented() -> None:
    text = pages.text_of(REFERENCE / "commands.md")
    headings = re.findall(r"^## `(roost [a-z -]*[a-z])(?: [A-Z].*)?`$", text, re.MULTILINE)
    assert sorted(headings) == sorted(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_option_is_documented_and_no_other(name: str) -> None:
    text = pages.text_of(REFERENCE / "commands.md")
    section = re.search(rf"^## `{name}\b.*?(?=^## |^<!-- end)", text, re.MULTILINE | re.DOTALL)
    assert section
    found = {_code(row) for row in re.findall(r"^\| (`[^`]+`)", section[0], re.MULTILINE)}
    assert found == {one[0] for one in generate.parameters(COMMANDS[name])}


@each_page
def test_commands_that_are_shown_exist_with_their_options(page: Path) -> None:
    for call in pages.commands(pages.text_of(page), "roost"):
        name = _longest_command(call)
        if name is None:
            assert _is_group(call), f"there is no command {' '.join(call)}"
            continue
        options = {opt for one in COMMANDS[name].params for opt in one.opts} | {"--help"}
        used = {word.partition("=")[0] for word in call if word.startswith("--")}
        assert used <= options, f"{' '.join(call)}: unknown {used - options}"


def _longest_command(call: list[str]) -> str | None:
    names = (" ".join(call[:length]) for length in (3, 2))
    return next((name for name in names if name in COMMANDS), None)


def _is_group(call: list[str]) -> bool:
    return len(call) == 2 and any(name.startswith(f"{' '.join(call)} ") for name in COMMANDS)


@each_page
def test_make_targets_that_are_shown_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    shown = {call[1] for call in pages.commands(pages.text_of(page), "make")}
    assert shown <= targets


def test_every_make_target_is_in_the_contributors_table() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    table = re.findall(
        r"^\| `make ([a-z-]+)` \|", pages.text_of(ROOT / "CONTRIBUTING.md"), re.MULTILINE
    )
    assert set(table) == targets - {"help"}


def test_every_permission_is_documented_with_its_roles() -> None:
    table = pages.rows(REFERENCE / "permissions.md", "permissions")
    found = {
        _code(name): {role for role, mark in zip(generate.ROLES, marks, strict=True) if mark}
        for name, *marks in table
    }
    assert found == {name: set(roles) for name, roles in PERMISSIONS.items()}


@each_page
def test_permissions_in_prose_exist(page: Path) -> None:
    areas = "|".join(AREAS)
    named = set(re.findall(rf"`((?:{areas}):[a-z*]+)`", pages.text_of(page)))
    assert named <= set(SCOPES)


def test_every_room_is_documented() -> None:
    text = pages.text_of(DOCS / "explanation" / "architecture.md")
    rooms = [
        f"{path.name}/" if path.is_dir() else path.name
        for path in (ROOT / "src" / "roost").iterdir()
        if not path.name.startswith("__") and path.suffix != ".typed"
    ]
    assert rooms
    assert [room for room in rooms if f"`{room}`" not in text] == []


def test_every_table_of_the_database_is_documented() -> None:
    headings = re.findall(
        r"^### `([\w.]+)`$", pages.text_of(REFERENCE / "data-model.md"), re.MULTILINE
    )
    revisions = (ROOT / "src/roost/db/revisions/versions").glob("r*.py")
    made = {
        name
        for revision in revisions
        for name in re.findall(r'create_table\(\s*"(\w+)"', revision.read_text("utf-8"))
    }
    assert made, "revisions make tables"
    assert made == {name for name in headings if not name.startswith("journal.")}


def test_every_dependency_has_its_reason_and_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = [*project["project"]["dependencies"]]
    for group in project["dependency-groups"].values():
        wanted += group
    # Where it is wanted, behind the semicolon, is told in words.
    wanted = [each.partition(";")[0] for each in wanted]
    text = pages.text_of(DOCS / "dependencies.md")
    table = re.findall(r"^\| `([\w.-]+)` \| ([\w.]+) \| (.+) \|$", text, re.MULTILINE)
    assert sorted(f"{name}=={version}" for name, version, _ in table) == sorted(set(wanted))
    assert all(len(reason) > 10 for *_, reason in table)


def test_the_readme_is_short_and_starts_with_both_commands() -> None:
    lines = pages.text_of(ROOT / "README.md").splitlines()
    assert len(lines) <= LONGEST_README
    start = "\n".join(lines[:12])
    assert "make serve" in start
    assert "make test" in start


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for link in pages.links(pages.text_of(page)):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} leads nowhere"
        if anchor:
            assert anchor in pages.anchors(target), f"{link}: there is no such heading"


@each_page
def test_paths_that_are_named_exist(page: Path) -> None:
    missing = [
        path for path in pages.paths(pages.text_of(page)) if not pages.is_in_repository(path)
    ]
    assert not missing


def test_every_page_can_be_found_from_the_index() -> None:
    linked = {
        (DOCS / link.partition("#")[0]).resolve()
        for link in pages.links(pages.text_of(DOCS / "index.md"))
    }
    assert {page for page in PAGES if page.is_relative_to(DOCS)} - {DOCS / "index.md"} <= linked


@each_page
def test_no_page_has_words_of_unfinished_work(page: Path) -> None:
    assert not FORBIDDEN.findall(pages.text_of(page))


def test_every_decision_has_context_decision_and_consequences() -> None:
    records = sorted((DOCS / "adr").glob("*.md"))
    assert [int(one.name[:4]) for one in records] == list(range(1, len(records) + 1))
    for record in records:
        headings = re.findall(r"^## (.+)$", pages.text_of(record), re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences"], record.name


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (pages.links, "see [there](nowhere.md)"),
        (lambda text: list(pages.paths(text)), "in `src/roost/nothing.py`"),
        (lambda text: list(pages.commands(text, "roost")), "```sh\nX=$(roost fly --high)\n```\n"),
        (lambda text: list(pages.commands(text, "make")), "run `make coffee`"),
    ],
)
def test_what_is_checked_is_found_in_the_text(check: Callable[[str], Any], text: str) -> None:
    assert check(text)
