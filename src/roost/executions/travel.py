"""Going back in a run: a new run from a step, or the same run back to a checkpoint."""

from dataclasses import replace
from typing import Any

import msgspec
from msgspec import UnsetType
from uuid_utils.compat import uuid7

from roost import errors
from roost.errors import ProblemError
from roost.executions import queries, step_queries
from roost.executions.model import Fork, Rollback
from roost.executions.recording import New, append
from roost.executions.service import insert_execution, lock_execution
from roost.executions.states import Known, fold_beside
from roost.executions.tables import ENDED
from roost.executions.values import stored
from roost.executions.work import Work
from roost.web.written import Written


async def fork_execution(work: Work, fork: Fork, known: Known) -> Written:
    """Queue a run of the same task that begins with the state after a step, in its own first step.

    EXECUTION_NOT_FOUND or STEP_NOT_FOUND. Without `input` it has the origin's.
    """
    found = await _step(work, fork.step)
    origin = await work.transaction.row(queries.ORIGIN, **work.place)
    assert origin is not None  # noqa: S101 -- it was just read
    given = not isinstance(fork.input, UnsetType)
    values = {
        "new_id": uuid7(),
        "new_task_id": origin["task_id"],
        "new_agent": fork.agent,
        "new_agent_version": None,
        "new_input": stored(fork.input, "input") if given else origin["input"],
        "new_trace_id": None,
        "new_created_by": work.user_id,
        "new_forked_from_id": work.execution_id,
        "new_forked_from_step": fork.step,
    }
    made = await insert_execution(work.transaction, work.workspace_id, values)
    first = New(
        type="start",
        description=f"Forked from step {fork.step} of {work.execution_id}",
        data=_text({"forkedFrom": {"id": work.execution_id, "step": fork.step}}),
        client_key=None,
        is_checkpoint=True,
        state=await fold_beside(found["pieces"]),
    )
    there = replace(work, execution_id=made.id)
    await append(there, await lock_execution(there), [first], known)
    row = await work.transaction.row(queries.READ, **there.place)
    return Written.of(row, errors.EXECUTION_NOT_FOUND)


async def roll_back(work: Work, wanted: Rollback, known: Known) -> tuple[Any, str, bytes | None]:
    """Append a step that brings back a checkpoint's state; what it abandons stays readable.

    Gives the run, as it was locked, the step's JSON and the state. EXECUTION_NOT_FOUND,
    EXECUTION_LIVE, STEP_NOT_FOUND or NOT_A_CHECKPOINT.
    """
    await work.transaction.row(queries.LOCK_TASK, **work.place)
    run = await lock_execution(work)
    if run["status"] not in ENDED:
        raise ProblemError(errors.EXECUTION_LIVE, f"the execution is {run['status']}")
    if wanted.include_task:
        other: Any = await work.transaction.row(
            queries.IS_WORKED_ON, workspace=work.workspace_id, task=run["task_id"]
        )
        if other["is_worked_on"]:
            raise ProblemError(errors.EXECUTION_LIVE, "another execution of the task is at work")
    found = await _step(work, wanted.step)
    if not found["is_checkpoint"]:
        raise ProblemError(errors.NOT_A_CHECKPOINT, f"step {wanted.step} is no checkpoint")
    state = await fold_beside(found["pieces"])
    step = New(
        type="rollback",
        description=wanted.reason,
        data=_text(
            {"to": wanted.step, "reason": wanted.reason, "includeTask": wanted.include_task}
        ),
        client_key=None,
        is_checkpoint=True,
        state=state,
    )
    [body] = await append(work, run, [step], known)
    return run, body, state


async def _step(work: Work, number: int) -> Any:  # noqa: ANN401 -- a record
    row = await work.transaction.row(
        step_queries.STATE_WITHIN["number"], **work.place, number=number
    )
    if row is None:
        raise ProblemError(errors.EXECUTION_NOT_FOUND)
    if row["number"] is None:
        raise ProblemError(errors.STEP_NOT_FOUND, f"the execution has no step {number}")
    return row


def _text(value: object) -> str:
    return msgspec.json.encode(value, order="sorted").decode()
