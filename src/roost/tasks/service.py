"""What can be done with tasks: the rules and the statements of each change."""

import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from asyncpg import ForeignKeyViolationError
from uuid_utils.compat import uuid7

from roost import errors
from roost.db.pool import Database, Transaction
from roost.db.tenancy import Context
from roost.errors import FieldError, ProblemError
from roost.tasks import queries
from roost.tasks.model import PullRequest, TaskCreate, TaskPatch, require_transition
from roost.web.body import field_error
from roost.web.etag import require_version
from roost.web.merge import merge_patch
from roost.web.query import invalid
from roost.web.written import Written

_encode = msgspec.json.Encoder(enc_hook=str).encode
_FIELDS = tuple(field.name for field in msgspec.structs.fields(TaskPatch))
_OBJECTS = {"metadata", "pull_request"}
_NEW = TaskCreate(title="")
"""What null makes of a field."""
_REFERENCES = {
    "environment_id": ("environmentId", "environment"),
    "assignee_id": ("assigneeId", "member"),
}


def new_row(task: TaskCreate, created_by: UUID | None, now: datetime) -> dict[str, Any]:
    """Make the row of a new task, for `insert_tasks`."""
    row: dict[str, Any] = {name: in_range(name, getattr(task, name)) for name in _FIELDS}
    row["id"] = uuid7()
    row["created_by"] = created_by
    if task.status == "completed" and task.completed_at is None:
        row["completed_at"] = now
    return row


async def insert_tasks(
    transaction: Transaction, workspace_id: UUID, rows: list[dict[str, Any]]
) -> list[Written]:
    """Insert rows as `new_row` makes them; gives them back in that order."""
    text = _encode(rows).decode()
    try:
        found = await transaction.rows(queries.INSERT, workspace=workspace_id, rows=text)
    except ForeignKeyViolationError as error:
        raise _no_such_reference(error) from error
    return [Written.of(row, errors.TASK_NOT_FOUND) for row in found]


async def require_references(
    transaction: Transaction, workspace_id: UUID, rows: Sequence[dict[str, Any]]
) -> None:
    """See that all that new tasks name is there; MissingReferenceError for the first that is not.

    The database would only say that one of them is not.
    """
    for column, known in queries.KNOWN.items():
        named = {row[column] for row in rows} - {None}
        if not named:
            continue
        found = await transaction.rows(known, workspace=workspace_id, ids=list(named))
        missing = named - {row["id"] for row in found}
        for number, row in enumerate(rows):
            if row[column] in missing:
                raise MissingReferenceError(column, number)


async def insert_task_alone(
    database: Database, context: Context, row: dict[str, Any]
) -> tuple[Written, str]:
    """Insert one row in a transaction of its own, in one round trip; gives its id as well."""
    text = _encode([row]).decode()
    try:
        found = await database.change(queries.INSERT_ALONE, context, rows=text)
    except ForeignKeyViolationError as error:
        raise _no_such_reference(error) from error
    assert found is not None  # noqa: S101 -- an insert gives its row
    return Written.of(found, errors.TASK_NOT_FOUND), found["xid"]


async def update_task(
    transaction: Transaction,
    workspace_id: UUID,
    task_id: UUID,
    patch: TaskPatch,
    expected: int | None,
) -> Written:
    """Apply a merge patch; TASK_NOT_FOUND, PRECONDITION_FAILED or INVALID_STATE_TRANSITION."""
    current = await _lock(transaction, workspace_id, task_id, expected)
    changes = {
        name: getattr(_NEW, name) if value is None else value
        for name in _FIELDS
        if (value := getattr(patch, name)) is not msgspec.UNSET
    }
    if not changes:
        return await _unchanged(transaction, workspace_id, task_id)
    if isinstance(patch.metadata, dict):
        changes["metadata"] = merge_patch(json.loads(current["metadata"]), patch.metadata)
    if changes.get("pull_request") is not None:
        known = json.loads(current["pull_request"] or "{}")
        changes["pull_request"] = _pull_request(merge_patch(known, changes["pull_request"]))
    return await _write(transaction, workspace_id, task_id, current["status"], changes)


async def replace_task(
    transaction: Transaction,
    workspace_id: UUID,
    task_id: UUID,
    task: TaskCreate,
    expected: int | None,
) -> Written:
    """Put the whole task anew; what is not given goes back to its default."""
    current = await _lock(transaction, workspace_id, task_id, expected)
    changes = {name: getattr(task, name) for name in _FIELDS}
    if (
        task.status == "completed"
        and task.completed_at is None
        and current["status"] == "completed"
    ):
        del changes["completed_at"]  # it was completed before; the moment stays
    return await _write(transaction, workspace_id, task_id, current["status"], changes)


async def delete_task(
    transaction: Transaction, workspace_id: UUID, task_id: UUID, expected: int | None
) -> None:
    """Delete a task with its messages; TASK_NOT_FOUND or PRECONDITION_FAILED."""
    await _lock(transaction, workspace_id, task_id, expected)
    await transaction.row(queries.DELETE, workspace=workspace_id, task=task_id)


async def lock_tasks(
    transaction: Transaction, workspace_id: UUID, task_ids: Collection[UUID]
) -> None:
    """Lock those of the tasks that are there, in an order that is the same for everybody."""
    if len(task_ids) > 1:
        await transaction.rows(queries.LOCK_ALL, workspace=workspace_id, ids=list(task_ids))


async def _lock(
    transaction: Transaction, workspace_id: UUID, task_id: UUID, expected: int | None
) -> Any:  # noqa: ANN401 -- a record
    current = await transaction.row(queries.LOCK, workspace=workspace_id, task=task_id)
    if current is None:
        raise ProblemError(errors.TASK_NOT_FOUND)
    require_version(expected, current["version"])
    return current


async def _unchanged(transaction: Transaction, workspace_id: UUID, task_id: UUID) -> Written:
    row = await transaction.row(queries.READ, workspace=workspace_id, task=task_id)
    return Written.of(row, errors.TASK_NOT_FOUND)


async def _write(
    transaction: Transaction,
    workspace_id: UUID,
    task_id: UUID,
    status: str,
    changes: dict[str, Any],
) -> Written:
    wanted = changes.get("status", status)
    require_transition(status, wanted)
    completed_now = False
    if wanted != status:
        if wanted == "completed":
            completed_now = changes.get("completed_at") is None
        elif status == "completed":
            changes.setdefault("completed_at", None)
    if completed_now:
        changes.pop("completed_at", None)
    statement = queries.task_update(tuple(sorted(changes)), completed_now=completed_now)
    values = {
        f"new_{name}": _stored(name, in_range(name, value)) for name, value in changes.items()
    }
    try:
        row = await transaction.row(statement, workspace=workspace_id, task=task_id, **values)
    except ForeignKeyViolationError as error:
        raise _no_such_reference(error) from error
    return Written.of(row, errors.TASK_NOT_FOUND)


def in_range(name: str, value: Any) -> Any:  # noqa: ANN401 -- whatever a field holds
    """Give moments in UTC, everything else as it is; VALIDATION_ERROR before year 1, after 9999."""
    if not isinstance(value, datetime):
        return value
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        first, *rest = name.split("_")
        wire = first + "".join(part.capitalize() for part in rest)
        raise invalid(wire, "is outside of the years 1 to 9999") from error


def _stored(name: str, value: object) -> object:
    return _encode(value).decode() if name in _OBJECTS and value is not None else value


def _pull_request(value: object) -> PullRequest:
    try:
        return msgspec.convert(value, PullRequest)
    except msgspec.ValidationError as error:
        found = field_error(str(error))
        named = FieldError(f"pullRequest.{found.field}", found.message, found.code)
        raise ProblemError(errors.VALIDATION_ERROR, str(error), errors=[named]) from error


class MissingReferenceError(ProblemError):
    """A task names what is not in its workspace; `row` is its number among those to be written."""

    def __init__(self, column: str, row: int | None = None) -> None:
        name, what = _REFERENCES[column]
        message = f"is the id of no {what} of this workspace"
        super().__init__(
            errors.VALIDATION_ERROR,
            f"{name} {message}",
            errors=[FieldError(name, message, "unknown")],
        )
        self.row = row


def _no_such_reference(error: ForeignKeyViolationError) -> ProblemError:
    is_environment = "environment" in (error.constraint_name or "")
    return MissingReferenceError("environment_id" if is_environment else "assignee_id")
