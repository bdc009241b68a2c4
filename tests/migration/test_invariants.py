"""For any dump whatever, against the database: what must be true of every migration."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.migration.bench import Bench, Person
from tests.migration.conftest import open_bench
from tests.migration.test_properties import DUMPS, QUIET
from tests.migration.test_undo import snapshot, undo

_DUMPS, _PARTS = 20_000, 8
VERDICTS = ("create", "same", "update", "conflict", "invalid", "skip")


async def migrated(person: Person, keys: dict[str, str], **config: Any) -> dict[str, Any]:
    migration = await person.migrate(keys, continueOnError=True, **config)
    counts = migration["counts"]
    assert counts["found"] == sum(counts[verdict] for verdict in VERDICTS)
    return migration


async def hold(bench: Bench, keys: dict[str, str], batch: int) -> None:
    """Look before, migrate, migrate again, undo, and undo that."""
    person = await bench.person()
    before = await snapshot(bench, person)
    plan = await migrated(person, keys, dryRun=True)
    assert await snapshot(bench, person) == before
    done = await migrated(person, keys, batchSize=batch)
    assert done["state"] == "completed", done["error"]
    assert done["counts"] | {"created": 0} == plan["counts"] | {"created": 0}
    receipt = await person.get(f"/migration/{done['id']}/receipt")
    assert {each["stored"] for each in receipt["keys"]} <= {True}
    assert len(receipt["keys"]) == len(keys)
    after = await snapshot(bench, person)
    again = await migrated(person, keys)
    assert again["state"] == "completed", again["error"]
    assert (again["counts"]["create"], again["counts"]["conflict"]) == (0, 0)
    assert await snapshot(bench, person) == after
    undone = await undo(person, done)
    assert (undone["state"], undone["undo"]["kept"]) == ("undone", [])
    assert await snapshot(bench, person) == before
    assert (await undo(person, done))["state"] == "completed"
    assert await snapshot(bench, person) == after


def run(database: str, examples: int) -> None:
    with asyncio.Runner() as runner:

        async def opened() -> tuple[Any, Bench]:
            context = open_bench(database)
            return context, await context.__aenter__()

        context, bench = runner.run(opened())

        @settings(max_examples=examples, deadline=None, suppress_health_check=QUIET)
        @given(DUMPS, st.integers(1, 7))
        def every_dump(keys: dict[str, str], batch: int) -> None:
            runner.run(hold(bench, keys, batch))

        try:
            every_dump()
        finally:
            runner.run(context.__aexit__(None, None, None))


def test_every_migration_is_accounted_for_and_can_be_undone(roost_database: str) -> None:
    run(roost_database, 40)


@pytest.mark.long
@pytest.mark.parametrize("part", range(_PARTS))
def test_very_many_migrations_are_accounted_for_and_can_be_undone(
    roost_database: str, part: int
) -> None:
    """Each draws others, and is short enough for one limit of time."""
    del part
    run(roost_database, _DUMPS // _PARTS)
