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
