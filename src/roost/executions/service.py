"""What can be done with runs: the rules and the transactions."""

from typing import Any, Final
from uuid import UUID

import msgspec
from asyncpg import ForeignKeyViolationError, UniqueViolationError
from msgspec import UNSET, Raw
from uuid_utils.compat import uuid7

from roost import errors
from roost.db.pool import Transaction
from roost.errors import ProblemError
from roost.executions import queries
from roost.executions.leases import require_lease
from roost.executions.model import (
    LEASE_SECONDS,
    TASK_STATUS,
    ExecutionCreate,
    ExecutionPatch,
    Heartbeat,
    TaskResult,
    Usage,
    Used,
    require_transition,
)
from roost.executions.tables import ENDED, LIVE
from roost.executions.values import read, same_text, stored
from roost.executions.work import Work
from roost.tasks.model import TRANSITIONS as TASK_TRANSITIONS
from roost.tasks.model import TaskPatch
from roost.tasks.service import update_task
from roost.web.etag import require_version
from roost.web.written import Written

_JSON: Final = ("output", "error")
_NOT_TO_BE_STARTED: Final = frozenset({"paused", "blocked", "cancelled"})
_LONGEST_MESSAGE: Final = 1000


class _Told(msgspec.Struct, rename="camel"):
    """What has been told of a run's end."""

    status: str
    output: Raw
    error: Raw
    usage: Used


async def create_execution(
    transaction: Transaction, workspace_id: UUID, user_id: UUID, made: ExecutionCreate
) -> Written:
    """Queue a run of a task; TASK_NOT_FOUND when there is no such task."""
    values = {
        "new_id": uuid7(),
        "new_task_id": made.task_id,
        "new_agent": made.agent,
        "new_agent_version": made.agent_version,
        "new_input": stored(made.input, "input"),
        "new_trace_id": made.trace_id,
        "new_created_by": user_id,
        "new_forked_from_id": None,
        "new_forked_from_step": None,
    }
    return await insert_execution(transaction, workspace_id, values)


async def insert_execution(
    transaction: Transaction, workspace_id: UUID, values: dict[str, Any]
) -> Written:
    """Insert a queued run by the columns' names with `new_` before; TASK_NOT_FOUND."""
    try:
        row = await transaction.row(queries.INSERT, workspace=workspace_id, **values)
    except ForeignKeyViolationError as error:
        raise ProblemError(errors.TASK_NOT_FOUND) from error
    return Written.of(row, errors.EXECUTION_NOT_FOUND)


async def lock_execution(work: Work, *, begins: bool = False) -> Any:  # noqa: ANN401 -- a record
    """Lock a run, and give what the rules go by, and where its record ends; EXECUTION_NOT_FOUND.

    Whoever needs its task locks that before; `begins` does it if the run is queued.
    """
    row = await work.transaction.row(queries.HOLD, **work.place, begins=begins)
    if row is None:
        raise ProblemError(errors.EXECUTION_NOT_FOUND)
    return row


async def change_execution(work: Work, patch: ExecutionPatch, expected: int | None) -> Written:
    """Change a run, and its task with it.

    EXECUTION_NOT_FOUND, PRECONDITION_FAILED, INVALID_STATE_TRANSITION, TASK_NOT_CLAIMABLE,
    EXECUTION_ENDED, LEASE_EXPIRED or NOT_THE_CLAIMANT.
    """
    task: Any = await work.transaction.row(queries.LOCK_TASK, **work.place)
    run = await lock_execution(work)
    require_version(expected, run["version"])
    wanted = run["status"] if patch.status is UNSET else patch.status
    if run["status"] in ENDED and wanted == run["status"] and run["claimed_by"] == work.user_id:
        return await _told_again(work, patch)
    require_transition(run["status"], wanted)
    changes = _changes(patch)
    says_nothing = not changes and patch.task is UNSET and patch.lease_seconds is UNSET
    if wanted == run["status"] and says_nothing:
        row = await work.transaction.row(queries.READ, **work.place)
        return Written.of(row, errors.EXECUTION_NOT_FOUND)
    starts = run["status"] == "queued" and wanted != "cancelled"
    if starts and wanted == "queued":
        raise ProblemError(errors.EXECUTION_NOT_CLAIMED)
    only_cancels = wanted == "cancelled" and not changes and patch.task is UNSET
    if starts:
        _require_claimable(task, run, work, patch)
        changes["claimed_by"] = work.user_id
        changes["environment_id"] = task["environment_id"]
    elif not only_cancels:
        require_lease(run, work.user_id)
    if wanted != run["status"]:
        changes["status"] = wanted
    lease = None if patch.lease_seconds is UNSET else patch.lease_seconds
    if lease is None and starts:
        lease = LEASE_SECONDS
    written = await _write(work, run, changes, lease, starts=starts)
    values = _results(patch, run["status"], wanted, task["status"])
    if values:
        result = TaskPatch(**values)
        try:
            await update_task(work.transaction, work.workspace_id, run["task_id"], result, None)
        except ProblemError as problem:
            raise _of_the_task(problem) from problem
    return written


def _of_the_task(problem: ProblemError) -> ProblemError:
    named = [
        errors.FieldError(f"task.{found.field}", found.message, found.code)
        for found in problem.errors
    ]
    return ProblemError(problem.entry, f"task: {problem.detail}", errors=named, extra=problem.extra)


async def start(work: Work) -> None:
    """Begin a queued run in the name of who records its first step; TASK_NOT_CLAIMABLE."""
    await change_execution(work, ExecutionPatch(status="running"), None)


def _changes(patch: ExecutionPatch) -> dict[str, Any]:
    changes: dict[str, Any] = {
        name: stored(value, name)
        for name in _JSON
        if not isinstance(value := getattr(patch, name), msgspec.UnsetType)
    }
    for name in ("agent", "agent_version", "trace_id"):
        if (value := getattr(patch, name)) is not UNSET:
            changes[name] = value
    if isinstance(patch.usage, Usage):
        changes |= used(patch.usage)
    return changes


def used(usage: Usage) -> dict[str, Any]:
    """Give the columns of what was used."""
    names = ("tokens_in", "tokens_out", "cost")
    return {name: value for name in names if (value := getattr(usage, name)) is not UNSET}


async def _told_again(work: Work, patch: ExecutionPatch) -> Written:
    """Answer who tells the same end once more; EXECUTION_ENDED when it is not the same."""
    row: Any = await work.transaction.row(queries.READ, **work.place)
    told = msgspec.json.decode(row["body"], type=_Told)
    usage = patch.usage if isinstance(patch.usage, Usage) else Usage()
    for given, known in ((patch.output, told.output), (patch.error, told.error)):
        if not isinstance(given, msgspec.UnsetType) and not same_text(given, known):
            raise ProblemError(errors.EXECUTION_ENDED, extra={"current": told.status})
    if any(getattr(told.usage, name) != value for name, value in used(usage).items()):
        raise ProblemError(errors.EXECUTION_ENDED, extra={"current": told.status})
    return Written.of(row, errors.EXECUTION_NOT_FOUND)


def _require_claimable(
    task: Any,  # noqa: ANN401 -- a record
    run: Any,  # noqa: ANN401 -- a record
    work: Work,
    patch: ExecutionPatch,
) -> None:
    agent = run["agent"]
    if agent is not None and patch.agent is not UNSET and patch.agent != agent:
        raise ProblemError(errors.TASK_NOT_CLAIMABLE, f"the execution is for the agent {agent}")
    if task["assignee_id"] not in {None, work.user_id}:
        raise ProblemError(errors.TASK_NOT_CLAIMABLE, "the task is assigned to somebody else")
    if task["archived_at"] is not None:
        raise ProblemError(errors.TASK_NOT_CLAIMABLE, "the task is archived")
    if task["status"] in _NOT_TO_BE_STARTED:
        raise ProblemError(errors.TASK_NOT_CLAIMABLE, f"the task is {task['status']}")


async def _write(
    work: Work,
    run: Any,  # noqa: ANN401 -- a record
    changes: dict[str, Any],
    lease: int | None,
    *,
    starts: bool,
) -> Written:
    """Set the columns, and renew the lease for so many seconds if there is still one."""
    status = changes.get("status", run["status"])
    if status not in LIVE:
        lease = None
    statement = queries.execution_update(
        tuple(sorted(changes)),
        lease=lease is not None,
        starts=starts,
        ends=status in ENDED and run["status"] not in ENDED,
    )
    values = {f"new_{name}": value for name, value in changes.items()}
    if lease is not None:
        values["new_lease_seconds"] = lease
    try:
        row = await work.transaction.row(statement, **work.place, **values)
    except UniqueViolationError as error:
        message = "another execution of the task is live"
        raise ProblemError(errors.TASK_NOT_CLAIMABLE, message) from error
    return Written.of(row, errors.EXECUTION_NOT_FOUND)


def _results(patch: ExecutionPatch, status: str, wanted: str, task_status: str) -> dict[str, Any]:
    """Say what the task learns of the change: results, and what has become of the run."""
    result = patch.task if isinstance(patch.task, TaskResult) else TaskResult()
    values = {
        name: value
        for name in TaskResult.__struct_fields__
        if (value := getattr(result, name)) is not UNSET
    }
    if wanted == status or (status, wanted) == ("queued", "cancelled"):
        return values
    usual = TASK_STATUS.get(wanted)
    # What somebody has made of the task meanwhile stands, unless the agent says otherwise.
    if usual is not None and usual in TASK_TRANSITIONS[task_status]:
        values.setdefault("status", usual)
    message = _message_of(patch.error)
    if wanted == "failed" and message is not None:
        values.setdefault("status_message", message)
    return values


def _message_of(error: Raw | msgspec.UnsetType) -> str | None:
    """Give the words of an error: itself, or its `message`."""
    if isinstance(error, msgspec.UnsetType):
        return None
    found = read(error)
    words = found.get("message") if isinstance(found, dict) else found
    return words[:_LONGEST_MESSAGE] if isinstance(words, str) else None


async def heartbeat(work: Work, beat: Heartbeat) -> Written:
    """Renew a lease; a run whose task was cancelled meanwhile is cancelled instead.

    EXECUTION_NOT_FOUND, EXECUTION_ENDED, LEASE_EXPIRED or NOT_THE_CLAIMANT.
    """
    run = await lock_execution(work)
    require_lease(run, work.user_id)
    changes = used(beat.usage) if beat.usage is not None else {}
    values = {f"new_{name}": value for name, value in changes.items()}
    task = await work.transaction.row(
        queries.TASK_STATUS, workspace=work.workspace_id, task=run["task_id"]
    )
    if task is not None and task["status"] == "cancelled":
        names = tuple(sorted({*changes, "status"}))
        statement = queries.execution_update(names, lease=False, starts=False, ends=True)
        values["new_status"] = "cancelled"
    else:
        statement = queries.heartbeat(tuple(sorted(changes)))
        values["new_lease_seconds"] = beat.lease_seconds or run["lease_seconds"] or LEASE_SECONDS
    row = await work.transaction.row(statement, **work.place, **values)
    return Written.of(row, errors.EXECUTION_NOT_FOUND)
