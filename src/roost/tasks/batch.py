"""Many changes of tasks in one transaction: all of them, or none."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from roost.db.pool import Transaction
from roost.errors import FieldError, ProblemError
from roost.tasks.model import CreateOperation, DeleteOperation, TaskBatch, UpdateOperation
from roost.tasks.service import (
    MissingReferenceError,
    delete_task,
    insert_tasks,
    lock_tasks,
    new_row,
    require_references,
    update_task,
)

_Operation = CreateOperation | UpdateOperation | DeleteOperation


async def run_batch(
    transaction: Transaction, workspace_id: UUID, user_id: UUID, batch: TaskBatch
) -> str:
    """Do the operations in their order; gives the JSON array of what each did.

    A problem names its operation and undoes the whole batch.
    """
    # Else two batches of the same tasks, each in its own order, would wait for each other.
    named = {each.id for each in batch.operations if not isinstance(each, CreateOperation)}
    await lock_tasks(transaction, workspace_id, named)
    results: list[str] = []
    waiting: list[CreateOperation] = []
    for number, operation in enumerate(batch.operations):
        if isinstance(operation, CreateOperation):
            waiting.append(operation)
            continue
        # New tasks in a row are inserted at once.
        results += await _create(transaction, workspace_id, user_id, waiting, number)
        waiting = []
        results.append(await _one(transaction, workspace_id, operation, number))
    end = len(batch.operations)
    results += await _create(transaction, workspace_id, user_id, waiting, end)
    return "[" + ",".join(results) + "]"


async def _create(
    transaction: Transaction,
    workspace_id: UUID,
    user_id: UUID,
    operations: list[CreateOperation],
    end: int,
) -> list[str]:
    if not operations:
        return []
    start = end - len(operations)
    now = datetime.now(UTC)
    rows = []
    for number, operation in enumerate(operations, start):
        with _naming(number):
            rows.append(new_row(operation.task, user_id, now))
    try:
        await require_references(transaction, workspace_id, rows)
        written = await insert_tasks(transaction, workspace_id, rows)
    except MissingReferenceError as missing:
        # What has gone since it was looked for, the database does not tell of which row.
        place = f"{start}..{end - 1}" if missing.row is None else start + missing.row
        raise _at(missing, f"operations[{place}]") from missing
    return [_result("create", task.id, task.body) for task in written]


async def _one(
    transaction: Transaction, workspace_id: UUID, operation: _Operation, number: int
) -> str:
    with _naming(number):
        if isinstance(operation, UpdateOperation):
            task = await update_task(
                transaction, workspace_id, operation.id, operation.changes, operation.version
            )
            return _result("update", operation.id, task.body)
        assert isinstance(operation, DeleteOperation)  # noqa: S101 -- creations are done elsewhere
        await delete_task(transaction, workspace_id, operation.id, operation.version)
        return _result("delete", operation.id, "null")


def _result(op: str, task_id: UUID, body: str) -> str:
    return f'{{"op":"{op}","id":{msgspec.json.encode(task_id).decode()},"task":{body}}}'


@contextmanager
def _naming(number: int) -> Iterator[None]:
    """Say of a problem which operation it is of."""
    try:
        yield
    except ProblemError as problem:
        raise _at(problem, f"operations[{number}]") from problem


def _at(problem: ProblemError, place: str) -> ProblemError:
    named = [
        FieldError(f"{place}.{found.field}", found.message, found.code) for found in problem.errors
    ] or [FieldError(place, problem.detail, problem.entry.code.lower())]
    return ProblemError(
        problem.entry,
        f"{place}: {problem.detail}",
        errors=named,
        headers=problem.headers,
        extra=problem.extra,
    )
