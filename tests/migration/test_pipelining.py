"""Batches are written two at a time, and nobody can tell from what is there."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from roost.migration import applying
from roost.migration.pipelining import NotYetError, Turn, in_turn
from tests.migration.bench import Bench, store, task
from tests.migration.test_recovery import tampering

TASKS = {"task-store": store(*map(task, range(6)))}
# Task 1 has the lock while its transaction waits for its turn, and task 0 asks for it late.
CROSSED = """
if new.title = 'Task 0' then perform pg_sleep(0.2); end if;
if new.title in ('Task 0', 'Task 1') then perform pg_advisory_xact_lock(74, 1); end if;
return new;
"""


async def numbers(count: int) -> AsyncIterator[int]:
    for each in range(count):
        yield each


async def test_a_part_that_is_ready_early_is_finished_in_its_turn() -> None:
    begun: list[int] = []
    finished: list[int] = []
    later = asyncio.Event()

    async def work(part: int, turn: Turn) -> None:
        begun.append(part)
        if part == 0:
            await asyncio.wait_for(later.wait(), 10)
        later.set()
        await turn.come()
        finished.append(part)

    await in_turn(numbers(5), work)
    assert begun == finished == list(range(5))


async def test_never_are_more_than_two_at_work() -> None:
    working, most = 0, 0

    async def work(_: int, turn: Turn) -> None:
        nonlocal working, most
        working += 1
        most = max(most, working)
        await asyncio.sleep(0)
        await turn.come()
        working -= 1

    await in_turn(numbers(20), work)
    assert most == 2


async def test_what_fails_ends_the_parts_after_it_unfinished() -> None:
    finished: list[int] = []

    async def work(part: int, turn: Turn) -> None:
        if part == 2:
            await asyncio.sleep(0)
            raise ZeroDivisionError
        await turn.come()
        finished.append(part)

    with pytest.raises(ZeroDivisionError):
        await in_turn(numbers(6), work)
    assert finished == [0, 1]


async def test_who_waits_too_long_is_told() -> None:
    before = asyncio.ensure_future(asyncio.Event().wait())
    try:
        with pytest.raises(NotYetError):
            await Turn(before).come(0.01)
    finally:
        before.cancel()


async def test_a_batch_that_waits_for_the_next_ones_lock_is_written_all_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applying, "PATIENCE", 0.3)
    person = await bench.person()
    async with tampering(bench, person, "tasks", "before insert", CROSSED):
        migration = await person.migrate(TASKS, batchSize=1)
    assert (migration["state"], migration["counts"]["created"]) == ("completed", 6)
    assert len((await bench.rows(person))["tasks"]) == 6


async def test_a_refused_row_takes_nothing_of_the_batch_after_it_along(bench: Bench) -> None:
    person = await bench.person()
    refuse = "if new.title = 'Task 2' then raise check_violation; end if; return new;"
    async with tampering(bench, person, "tasks", "before insert", refuse):
        migration = await person.migrate(TASKS, batchSize=1, continueOnError=True)
    assert migration["state"] == "completed"
    assert (migration["counts"]["created"], migration["counts"]["invalid"]) == (5, 1)
    titles = {each["title"] for each in await person.get("/tasks")}
    assert titles == {f"Task {number}" for number in (0, 1, 3, 4, 5)}


async def test_preferences_of_many_batches_are_read_back_without_waiting_for_each_other(
    bench: Bench,
) -> None:
    person = await bench.person()
    keys = {f"kanban-columns-{number}": "[]" for number in range(40)}
    migration = await person.migrate(keys, batchSize=1)
    assert (migration["state"], migration["counts"]["created"]) == ("completed", 40)
