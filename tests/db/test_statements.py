"""Every statement that a room keeps can be compiled; they are compiled at their first use."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import roost
from roost.db.statements import Statement


def kept_statements() -> Iterator[tuple[str, Statement]]:
    for module in pkgutil.walk_packages(roost.__path__, "roost."):
        if ".revisions." in module.name or module.name.endswith("__main__"):
            continue
        found = vars(importlib.import_module(module.name))
        yield from (
            (f"{module.name}.{name}", value)
            for name, value in found.items()
            if isinstance(value, Statement)
        )


STATEMENTS = dict(kept_statements())


@pytest.mark.parametrize("place", STATEMENTS)
def test_a_kept_statement_compiles(place: str) -> None:
    statement = STATEMENTS[place]

    assert statement.sql.count("$") >= len(set(statement.places))
    assert statement.name.split()[0] in {"select", "insert", "update", "delete"}


def test_rooms_keep_statements() -> None:
    assert len(STATEMENTS) > 30


@pytest.mark.parametrize(
    ("name", "sql", "expected"),
    [
        ("select tasks.page", "select 1", "select /* select tasks.page */ 1"),
        ("insert tasks", "\n  with a as (select 1) select 2",
         "with /* insert tasks */ a as (select 1) select 2"),
        ("commit", "commit", "commit"),
        ("select x */ drop table y", "select 1", "select 1"),
    ],
)  # fmt: skip
def test_a_statement_s_text_says_its_name(name: str, sql: str, expected: str) -> None:
    assert Statement(name, sql, (), {}).sql == expected
