"""The history of tasks over HTTP: versions, and back to one."""

from dataclasses import dataclass
from uuid import UUID

from roost import errors
from roost.db.pool import Transaction
from roost.errors import ProblemError
from roost.history.model import VersionEntry, VersionQuery
from roost.history.restore import Point, find_point, put_parts, put_row
from roost.history.versions import version_page
from roost.tasks import queries
from roost.tasks.model import Task, TaskRestore
from roost.tasks.past import MESSAGE_KIND, TASK_KIND
from roost.web.endpoint import API, Call, Contract, Endpoint
from roost.web.etag import expected_version, require_any, require_version
from roost.web.kit import Kit, tagged
from roost.web.reply import Reply
from roost.web.written import Written

_ITEM = f"{API}/tasks/{{id:str}}"


@dataclass(frozen=True, slots=True)
class TaskHistoryRoutes:
    """The routes of a task's versions."""

    kit: Kit

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        return [
            Endpoint("GET", f"{_ITEM}/history", self.versions, Contract(
                "Read a task's versions, newest first", "tasks:read", query=VersionQuery,
                returns=VersionEntry, paged=True, problems=(errors.TASK_NOT_FOUND,))),
            Endpoint("POST", f"{_ITEM}/restore", self.restore, Contract(
                "Put a task back as it was, a deleted one too", "tasks:write", body=TaskRestore,
                returns=Task, problems=(
                    errors.TASK_NOT_FOUND, errors.VERSION_NOT_FOUND, errors.PRECONDITION_FAILED,
                    errors.MOMENT_IN_FUTURE, errors.MOMENT_NOT_KEPT, errors.CONFLICT))),
        ]  # fmt: skip

    async def versions(self, call: Call) -> Reply:
        """Answer a page of versions."""
        return await version_page(self.kit, call, TASK_KIND, call.id(), errors.TASK_NOT_FOUND)

    async def restore(self, call: Call) -> Reply:
        """Put a task back."""
        task_id, expected = call.id(), expected_version(call.header("if-match"))
        point = await find_point(self.kit, call, TASK_KIND, task_id, call.body)

        async def work(transaction: Transaction) -> Reply:
            task = await restore_task(
                transaction,
                call.principal.workspace_id,
                task_id,
                point,
                expected,
                with_messages=call.body.messages,
            )
            return tagged(task.body, task.version)

        return await self.kit.change(call, work)


async def restore_task(  # noqa: PLR0913 -- which, to what, and the conditions
    transaction: Transaction,
    workspace_id: UUID,
    task_id: UUID,
    point: Point | None,
    expected: int | None,
    *,
    with_messages: bool,
) -> Written:
    """Make a task what it was, and its conversation too if asked for.

    TASK_NOT_FOUND, VERSION_NOT_FOUND or PRECONDITION_FAILED. `point` None: it had no such version.
    """
    place = {"workspace": workspace_id, "task": task_id}
    current = await transaction.row(queries.LOCK, **place)
    if current is None:
        require_any(expected)
    else:
        require_version(expected, current["version"])
    if point is None or not await put_row(transaction, workspace_id, TASK_KIND, task_id, point.row):
        raise ProblemError(errors.VERSION_NOT_FOUND if current else errors.TASK_NOT_FOUND)
    if with_messages:
        await put_parts(
            transaction,
            workspace_id,
            MESSAGE_KIND,
            point.parts,
            column="task_id",
            whole=task_id,
        )
    row = await transaction.row(queries.READ, **place)
    return Written.of(row, errors.TASK_NOT_FOUND)
