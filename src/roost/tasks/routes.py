"""Tasks over HTTP."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from roost import errors
from roost.db.pool import Transaction
from roost.errors import ProblemError
from roost.history.model import AsOfQuery
from roost.history.moments import Moment, then
from roost.tasks import messages, past, queries
from roost.tasks.batch import run_batch
from roost.tasks.filters import CONDITIONS, SEARCHES
from roost.tasks.history_routes import TaskHistoryRoutes
from roost.tasks.listing import read_conditions, search_conditions
from roost.tasks.model import (
    BatchResult,
    FoundTask,
    Message,
    MessageCreate,
    MessageQuery,
    SearchQuery,
    Task,
    TaskBatch,
    TaskCreate,
    TaskPatch,
    TaskQuery,
)
from roost.tasks.service import (
    delete_task,
    insert_task_alone,
    insert_tasks,
    new_row,
    replace_task,
    update_task,
)
from roost.web import lists
from roost.web.endpoint import API, Call, Contract, Endpoint
from roost.web.etag import expected_version
from roost.web.kit import Kit, context_of, created, found, written
from roost.web.query import invalid
from roost.web.reads import PAST
from roost.web.reply import Reply, empty, item
from roost.web.shown import Shown

READ, WRITE = "tasks:read", "tasks:write"
_ALL = f"{API}/tasks"
_ITEM = f"{_ALL}/{{id:str}}"
_TASKS = frozenset({"tasks"})
_CONVERSATIONS = frozenset({"tasks", "messages"})
_THEN = (errors.MOMENT_IN_FUTURE, errors.MOMENT_NOT_KEPT)
_CHANGE = (
    errors.TASK_NOT_FOUND,
    errors.PRECONDITION_FAILED,
    errors.INVALID_STATE_TRANSITION,
)


@dataclass(frozen=True, slots=True)
class TaskRoutes:
    """The routes of this room. `alike` says that pg_trgm is there, for misspelt searches."""

    kit: Kit
    alike: bool

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        return [
            Endpoint("GET", _ALL, self.list, Contract(
                "List tasks", READ, query=TaskQuery, returns=Task, paged=True, problems=_THEN)),
            Endpoint("POST", _ALL, self.create, Contract(
                "Create a task", WRITE, body=TaskCreate, returns=Task, status=201)),
            Endpoint("POST", f"{_ALL}/batch", self.batch, Contract(
                "Create, update and delete tasks in one transaction", WRITE, body=TaskBatch,
                returns=BatchResult, listed=True, problems=_CHANGE)),
            Endpoint("GET", f"{_ALL}/search", self.search, Contract(
                "Search tasks, best match first", READ, query=SearchQuery, returns=FoundTask,
                listed=True)),
            Endpoint("GET", _ITEM, self.get, Contract(
                "Read a task", READ, query=AsOfQuery, returns=Task,
                problems=(errors.TASK_NOT_FOUND, *_THEN))),
            Endpoint("PATCH", _ITEM, self.patch, Contract(
                "Change a task by merge patch", WRITE, body=TaskPatch, returns=Task,
                problems=_CHANGE)),
            Endpoint("PUT", _ITEM, self.put, Contract(
                "Replace a task", WRITE, body=TaskCreate, returns=Task, problems=_CHANGE)),
            Endpoint("DELETE", _ITEM, self.delete, Contract(
                "Delete a task with its messages", WRITE, status=204,
                problems=(errors.TASK_NOT_FOUND, errors.PRECONDITION_FAILED))),
            Endpoint("GET", f"{_ITEM}/messages", self.messages, Contract(
                "Read a task's conversation, in order", READ, query=MessageQuery, returns=Message,
                paged=True, problems=(errors.TASK_NOT_FOUND, *_THEN))),
            Endpoint("POST", f"{_ITEM}/messages", self.append, Contract(
                "Add a message to a task's conversation", WRITE, body=MessageCreate,
                returns=Message, status=201, problems=(errors.TASK_NOT_FOUND,))),
            *TaskHistoryRoutes(self.kit).endpoints(),
        ]  # fmt: skip

    async def list(self, call: Call) -> Reply:
        """Answer a page of tasks."""
        query: TaskQuery = call.query
        moment = await then(self.kit.database, query.as_of)

        async def read() -> Shown:
            row, sort, given = await self._page(call, moment, alike=False)
            if "words" in given and not row["total"] and self.alike:
                # Only what has no match as written is compared for likeness: it reads all titles.
                row, sort, _ = await self._page(call, moment, alike=True)
            return Shown.of(lists.answer(query, sort, row))

        tables = _TASKS if moment is None else PAST
        return await self.kit.kept(call, tables, read, shared=not _is_about_me(query))

    async def _page(self, call: Call, moment: Moment | None, *, alike: bool) -> Any:  # noqa: ANN401 -- a record, and what it was asked by
        given = read_conditions(call.query, call.principal.user_id, alike=alike)
        listing, places = queries.TASKS, {}
        if moment is not None:
            listing = past.SEARCHED if SEARCHES & given.keys() else past.TASKS
            places = moment.places()
        statement, values, sort = lists.prepare(listing, call.query, given)
        return await self.kit.read(call, statement, **values, **places), sort, given

    async def search(self, call: Call) -> Reply:
        """Answer the best matches."""
        query: SearchQuery = call.query
        given = search_conditions(query.search, alike=self.alike)
        if not given:
            raise invalid("search", "has nothing to search for")
        names = tuple(name for name in CONDITIONS if name in given)
        statement = queries.task_search(names)

        async def read() -> Shown:
            row = await self.kit.read(call, statement, **given, limit=query.limit)
            return Shown.of(item(row["items"]))

        return await self.kit.kept(call, _TASKS, read, shared=True)

    async def get(self, call: Call) -> Reply:
        """Answer one task."""
        task_id = call.id()
        moment = await then(self.kit.database, call.query.as_of)
        statement, places = queries.TASK, {}
        if moment is not None:
            statement, places = past.TASK, {"of_id": [task_id], **moment.places()}

        async def read() -> Shown:
            record = await self.kit.read(call, statement, task=task_id, **places)
            row = found(record, errors.TASK_NOT_FOUND)
            return Shown.of(item(row["body"]), row["version"])

        tables = _TASKS if moment is None else PAST
        return await self.kit.kept(call, tables, read, shared=True)

    async def create(self, call: Call) -> Reply:
        """Make a task."""
        principal = call.principal
        row = new_row(call.body, principal.user_id, datetime.now(UTC))

        async def work(transaction: Transaction) -> Reply:
            [task] = await insert_tasks(transaction, principal.workspace_id, [row])
            return created(task, _ALL)

        if call.header("idempotency-key") is not None:
            return await self.kit.change(call, work)
        # One statement is a transaction by itself: a round trip instead of four.
        task, xid = await insert_task_alone(self.kit.database, context_of(call), row)
        reply = created(task, _ALL)
        reply.header("roost-txid", xid)
        self.kit.ticks.announce()
        return reply

    async def patch(self, call: Call) -> Reply:
        """Apply a merge patch."""
        return await self._update(call, update_task)

    async def put(self, call: Call) -> Reply:
        """Replace all fields."""
        return await self._update(call, replace_task)

    async def _update(self, call: Call, use_case: Any) -> Reply:  # noqa: ANN401 -- two use cases
        task_id, expected = call.id(), expected_version(call.header("if-match"))

        async def work(transaction: Transaction) -> Reply:
            workspace_id = call.principal.workspace_id
            return written(await use_case(transaction, workspace_id, task_id, call.body, expected))

        return await self.kit.change(call, work)

    async def delete(self, call: Call) -> Reply:
        """Delete a task."""
        task_id, expected = call.id(), expected_version(call.header("if-match"))

        async def work(transaction: Transaction) -> Reply:
            await delete_task(transaction, call.principal.workspace_id, task_id, expected)
            return empty()

        return await self.kit.change(call, work)

    async def batch(self, call: Call) -> Reply:
        """Do many changes at once."""
        principal = call.principal

        async def work(transaction: Transaction) -> Reply:
            return item(
                await run_batch(transaction, principal.workspace_id, principal.user_id, call.body)
            )

        return await self.kit.change(call, work)

    async def messages(self, call: Call) -> Reply:
        """Answer a page of a conversation."""
        query: MessageQuery = call.query
        task_id = call.id()
        moment = await then(self.kit.database, query.as_of)
        listing, places = messages.CONVERSATION, {}
        if moment is not None:
            listing = past.CONVERSATION_THEN
            places = {"of_id": [task_id], "of_task_id": [task_id], **moment.places()}
        statement, values, sort = lists.prepare(listing, query, {"task": task_id})

        async def read() -> Shown:
            row = await self.kit.read(call, statement, **values, **places)
            if row["task"] is None:
                raise ProblemError(errors.TASK_NOT_FOUND)
            return Shown.of(lists.answer(query, sort, row))

        tables = _CONVERSATIONS if moment is None else PAST
        return await self.kit.kept(call, tables, read, shared=True)

    async def append(self, call: Call) -> Reply:
        """Add a message."""
        task_id, principal = call.id(), call.principal

        async def work(transaction: Transaction) -> Reply:
            _, body = await messages.append_message(
                transaction, principal.workspace_id, task_id, call.body, principal.user_id
            )
            return item(body, 201)

        return await self.kit.change(call, work)


def _is_about_me(query: TaskQuery) -> bool:
    return "me" in (*(query.created_by or ()), *(query.assignee or ()))
