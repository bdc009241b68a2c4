"""Write the tables of the reference pages from the code: `make docs`.

A page holds them between `<!-- generated: NAME -->` and `<!-- end -->`; the rest of it is written
by hand. With `--check` nothing is written, and the exit status is 1 when a page is out of date.
"""

import importlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from inspect import signature
from pathlib import Path
from typing import Any, cast

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql
from typer.main import get_command

from roost.cli.main import app as command_line
from roost.db.metadata import metadata
from roost.errors import CATALOGUE
from roost.identity.audit.trail import ACTIONS
from roost.journal.tables import metadata as journal_metadata
from roost.mcp.binding import bind
from roost.mcp.tools import TOOLS
from roost.rooms import served_endpoints
from roost.settings import PROVIDER_SETTINGS, SETTINGS
from roost.tasks.model import TRANSITIONS
from roost.web.endpoint import Endpoint
from roost.web.kit import Kit
from roost.web.principal import PERMISSIONS
from roost.web.probes import Probes

HERE = Path(__file__).parent
ROOMS = HERE.parent / "src" / "roost"
ROLES = ("owner", "admin", "member", "viewer")
_BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # untyped in the library


def endpoints(**given: Any) -> list[Endpoint]:  # noqa: ANN401 -- parts of several kinds
    """Give every route; nothing is opened, for no handler is called. `given` are parts to use."""
    nothing = cast("Any", None)
    needed = signature(served_endpoints).parameters.values()
    parts = {each.name: nothing for each in needed if each.default is each.empty}
    parts |= {"kit": Kit(nothing, nothing, nothing), "probes": Probes({}, nothing)}
    return served_endpoints(**parts | given)


def route(endpoint: Endpoint) -> str:
    """Name a route as the reference does: `GET /api/v1/tasks/{id}`."""
    return f"{endpoint.method} {re.sub(r':str', '', endpoint.path)}"


def commands(command: Any = None, path: str = "roost") -> Iterator[tuple[str, Any]]:  # noqa: ANN401 -- Typer's own kind
    """Give each command that can be run, by its full name."""
    command = command or get_command(command_line)
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
        return
    for name, each in inner.items():
        yield from commands(each, f"{path} {name}")


def parameters(command: Any) -> Iterator[tuple[str, str, str]]:  # noqa: ANN401 -- Typer's own kind
    """Give name, default and help of a command's parameters; `--help` is on all of them."""
    for each in command.params:
        is_argument = each.param_type_name == "argument"
        name = each.name.upper() if is_argument else ", ".join((*each.opts, *each.secondary_opts))
        if name == "--help":
            continue
        default = "required" if each.required else _default(each.default)
        yield name, default, each.help or ""


def _default(value: object) -> str:
    return "" if value in {None, False, ""} or callable(value) else f"`{value}`"


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    cells = [tuple(heads)]
    cells += [tuple(text.replace("|", "\\|") for text in row) for row in rows]
    cells.insert(1, tuple("---" for _ in cells[0]))
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)


def _settings() -> str:
    rows = ((f"`{s.name}`", f"`{s.default}`" if s.default else "empty", s.help) for s in SETTINGS)
    return _table(("Variable", "Default", "What it does"), rows)


def _commands() -> str:
    parts = []
    for name, command in commands():
        found = list(parameters(command))
        arguments = "".join(f" {one[0]}" for one in found if not one[0].startswith("-"))
        parts.append(f"## `{name}{arguments}`\n\n{(command.help or '').strip()}\n")
        if found:
            rows = ((f"`{one[0]}`", *one[1:]) for one in found)
            parts.append(_table(("Parameter", "Default", "Meaning"), rows))
    return "\n".join(parts)


def _routes() -> str:
    rows = (
        (
            f"`{route(each)}`",
            each.contract.summary,
            f"`{each.contract.permission}`" if each.contract.permission else "no log-in",
        )
        for each in endpoints()
    )
    return _table(("Route", "What it does", "Needs"), rows)


def _tools() -> str:
    rows = (
        (
            f"`{name}`",
            bound.tool.about,
            ", ".join(
                f"**`{one}`**" if one in bound.schema["required"] else f"`{one}`"
                for one in bound.schema["properties"]
            ),
            f"`{bound.tool.route}`",
            f"`{bound.permission}`",
        )
        for name, bound in bind(TOOLS, endpoints()).items()
    )
    heads = ("Tool", "What a model is told", "Arguments, the needed ones bold", "Route", "Needs")
    return _table(heads, rows)


def _transitions() -> str:
    rows = (
        (f"`{status}`", ", ".join(f"`{one}`" for one in TRANSITIONS if one in following))
        for status, following in TRANSITIONS.items()
    )
    return _table(("From", "To"), rows)


def _errors() -> str:
    rows = (
        (f"`{code}`", str(entry.status), f"{entry.title}. {entry.about}", entry.hint or "")
        for code, entry in sorted(CATALOGUE.items(), key=lambda one: (one[1].status, one[0]))
    )
    return _table(("Code", "Status", "What has happened", "What to do"), rows)


def _permissions() -> str:
    rows = (
        (f"`{name}`", *("yes" if role in roles else "" for role in ROLES))
        for name, roles in PERMISSIONS.items()
    )
    return _table(("Permission", *ROLES), rows)


def _audit() -> str:
    rows = ((f"`{action}`", meaning) for action, meaning in ACTIONS.items())
    return _table(("Action", "Meaning"), rows)


def _model() -> str:
    for module in ROOMS.glob("*/tables.py"):
        importlib.import_module(f"roost.{module.parent.name}.tables")
    tables = sorted(metadata.tables.values(), key=lambda table: table.name)
    return "\n".join(map(_one_table, tables))


def _journal() -> str:
    tables = sorted(journal_metadata.tables.values(), key=lambda table: table.name)
    return "\n".join(map(_one_table, tables))


def _one_table(table: Table) -> str:
    keys = {column.name for column in table.primary_key}
    rows = (
        (
            f"`{column.name}`" + (" (key)" if column.name in keys else ""),
            column.type.compile(_DIALECT).lower(),
            "yes" if column.nullable else "",
        )
        for column in table.columns
    )
    notes = sorted(_constraints(table))
    listed = "\n" + "".join(f"- {note}\n" for note in notes) if notes else ""
    return f"### `{table.fullname}`\n\n{_table(('Column', 'Type', 'Null'), rows)}{listed}"


def _constraints(table: Table) -> Iterator[str]:
    for constraint in table.constraints:
        if isinstance(constraint, ForeignKeyConstraint):
            columns = ", ".join(constraint.column_keys)
            yield (
                f"`({columns})` refers to `{constraint.referred_table.name}`, on delete "
                f"{(constraint.ondelete or 'no action').lower()}"
            )
        elif isinstance(constraint, CheckConstraint):
            yield f"`{constraint.sqltext}`"
        elif isinstance(constraint, UniqueConstraint):
            yield f"unique: `{', '.join(column.name for column in constraint.columns)}`"
    for index in table.indexes:
        if index.unique:
            columns = ", ".join(map(str, index.expressions))
            where = index.dialect_options["postgresql"]["where"]
            text = f"unique: `{columns}`" + ("" if where is None else f" where `{where}`")
            yield text.replace(f"{table.name}.", "")


def _providers() -> str:
    rows = ((f"`ROOST_<PROVIDER>_{end}`", text) for end, text in PROVIDER_SETTINGS)
    return _table(("Variable", "What it does"), rows)


BLOCKS: Mapping[str, Callable[[], str]] = {
    "settings": _settings,
    "providers": _providers,
    "commands": _commands,
    "routes": _routes,
    "tools": _tools,
    "transitions": _transitions,
    "errors": _errors,
    "permissions": _permissions,
    "audit": _audit,
    "model": _model,
    "journal": _journal,
}


def filled(text: str) -> str:
    """Give a page with its tables written anew."""
    return _BLOCK.sub(lambda found: f"{found[1]}{BLOCKS[found[2]]()}{found[3]}", text)


def stale_pages(*, write: bool) -> list[Path]:
    """Find the pages whose tables are not what the code says, and mend them when `write`."""
    stale = []
    for page in sorted((HERE / "reference").glob("*.md")):
        text = page.read_text("utf-8")
        fresh = filled(text)
        if fresh != text:
            stale.append(page)
            if write:
                page.write_text(fresh, "utf-8")
    return stale


def main() -> int:
    """Write the tables, or check them."""
    check = "--check" in sys.argv[1:]
    stale = stale_pages(write=not check)
    for page in stale:
        sys.stderr.write(f"{page}: {'out of date, run `make docs`' if check else 'written'}\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
