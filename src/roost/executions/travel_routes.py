"""Forks and rollbacks over HTTP."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

import msgspec

from roost import errors
from roost.db.pool import Transaction
from roost.errors import ProblemError
from roost.executions import queries, step_queries
from roost.executions.model import Execution, Fork, Rollback, RolledBack
from roost.executions.states import Known
from roost.executions.step_routes import step_with_state
from roost.executions.tables import steps
from roost.executions.travel import fork_execution, roll_back
from roost.executions.work import Work
from roost.history.restore import Point, point_of_insert
from roost.tasks.history_routes import restore_task
from roost.tasks.model import TaskPatch
from roost.tasks.service import update_task
from roost.web.endpoint import API, Call, Contract, Endpoint
from roost.web.kit import Kit, created, found
from roost.web.reply import Reply, item
from roost.web.written import Written

_WRITE: Final = "executions:write"
_ALL: Final = f"{API}/executions"
_ITEM: Final = f"{_ALL}/{{id:str}}"
_TASKS: Final = "tasks:write"
_MISSING: Final = (errors.EXECUTION_NOT_FOUND, errors.STEP_NOT_FOUND)


@dataclass(frozen=True, slots=True)
class TravelRoutes:
    """The routes of going back. `known` are the states that this worker has seen last."""

    kit: Kit
    known: Known

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        return [
            Endpoint("POST", f"{_ITEM}/fork", self.fork, Contract(
                "Queue an execution that begins with the state after a step", _WRITE, body=Fork,
                returns=Execution, status=201, problems=_MISSING)),
            Endpoint("POST", f"{_ITEM}/rollback", self.rollback, Contract(
                "Go back to a checkpoint of an execution that has ended", _WRITE, body=Rollback,
                returns=RolledBack, problems=(
                    *_MISSING, errors.EXECUTION_LIVE, errors.NOT_A_CHECKPOINT,
                    errors.TASK_NOT_FOUND, errors.MOMENT_NOT_KEPT, errors.CONFLICT))),
        ]  # fmt: skip

    async def fork(self, call: Call) -> Reply:
        """Begin anew from a step."""

        async def work(transaction: Transaction) -> Reply:
            made = await fork_execution(Work.of(call, transaction), call.body, self.known)
            return created(made, _ALL)

        return await self.kit.change(call, work)

    async def rollback(self, call: Call) -> Reply:
        """Go back to a checkpoint."""
        wanted: Rollback = call.body
        point = None
        if wanted.include_task:
            if _TASKS not in call.principal.permissions:
                message = f"to put the task back needs the permission {_TASKS!r}"
                raise ProblemError(errors.FORBIDDEN, message)
            point = await self._then(call, wanted)

        async def work(transaction: Transaction) -> Reply:
            here = Work.of(call, transaction)
            run, step, state = await roll_back(here, wanted, self.known)
            task = "null"
            if point is not None:
                restored = await restore_task(
                    transaction,
                    here.workspace_id,
                    run["task_id"],
                    point,
                    None,
                    with_messages=True,
                )
                task = await _waiting(here, restored, run["task_id"])
            row = found(
                await transaction.row(queries.READ, **here.place), errors.EXECUTION_NOT_FOUND
            )
            shown = step_with_state(step, state)
            return item(f'{{"step":{shown},"execution":{row["body"]},"task":{task}}}')

        return await self.kit.change(call, work)

    async def _then(self, call: Call, wanted: Rollback) -> Point:
        """Find the moment of the checkpoint, to read task and messages at."""
        row = await self.kit.read(
            call, step_queries.STATE["number"], execution=call.id(), number=wanted.step
        )
        if found(row, errors.EXECUTION_NOT_FOUND)["number"] is None:
            raise ProblemError(errors.STEP_NOT_FOUND, f"the execution has no step {wanted.step}")
        return await point_of_insert(self.kit, call, steps, row["id"])


async def _waiting(work: Work, restored: Written, task_id: UUID) -> str:
    """Let a task wait that was being worked on then: nobody is at work on it now."""
    task = msgspec.json.decode(restored.body, type=_Status)
    if task.status not in {"in_progress", "blocked"}:
        return restored.body
    patch = TaskPatch(status="pending")
    written = await update_task(work.transaction, work.workspace_id, task_id, patch, None)
    return written.body


class _Status(msgspec.Struct):
    status: str
