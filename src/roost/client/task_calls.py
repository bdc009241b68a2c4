"""What can be asked about tasks and their conversations."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict, Unpack

from roost.client.model import Id, Message, PullRequest, Task
from roost.client.request import Request, body, given, key, path, query
from roost.client.wire import Flow, Page, Wire

Several = str | Sequence[str]
SeveralIds = Id | Sequence[Id]


class TaskFilters(TypedDict, total=False):
    """Which tasks to list: several values of one field mean any of them, of `label` all."""

    status: Several
    priority: Several
    assignee: SeveralIds
    environment: SeveralIds
    label: Several
    created_by: SeveralIds
    archived: bool
    created_after: datetime
    created_before: datetime
    updated_after: datetime
    updated_before: datetime
    search: str
    as_of: str | datetime


class NewTask(TypedDict, total=False):
    """What a task may be made with besides its title."""

    description: str
    status: str
    priority: str
    mode: str
    environment_id: Id | None
    repository: str | None
    branch: str | None
    assignee_id: Id | None
    labels: Sequence[str]
    due_at: datetime | None
    completed_at: datetime | None
    archived_at: datetime | None
    status_message: str | None
    has_changes: bool
    pull_request: PullRequest | None
    position: float | None
    metadata: dict[str, Any] | None


class TaskFields(NewTask, total=False):
    """The fields of a task that can be changed; None clears one."""

    title: str


@dataclass(frozen=True, slots=True)
class TaskCalls:
    """Calls about tasks."""

    wire: Wire

    def list(
        self,
        *,
        sort: str | None = None,
        limit: int = 100,
        page: int | None = None,
        cursor: str | None = None,
        **filters: Unpack[TaskFilters],
    ) -> Flow[Page[Task]]:
        """Give a page of tasks; `sort` is like `-priority,createdAt`."""
        asked = {**filters, "sort": sort, "limit": limit, "page": page, "cursor": cursor}
        return self.wire.page(Request("GET", path("tasks"), query=query(asked)), Task)

    def get(self, task_id: Id) -> Flow[Task]:
        """Give a task."""
        return self.wire.one(Request("GET", path("tasks", task_id)), Task)

    def create(self, title: str, **fields: Unpack[NewTask]) -> Flow[Task]:
        """Make a task."""
        content = body({"title": title, **given(**fields)})
        request = Request("POST", path("tasks"), body=content, headers=key())
        return self.wire.one(request, Task)

    def update(
        self, task_id: Id, *, version: int | None = None, **changes: Unpack[TaskFields]
    ) -> Flow[Task]:
        """Change a task; with `version`, only if that is still its version (else Conflict).

        Not sent again when the answer was lost: somebody else may have changed it meanwhile.
        """
        headers = {} if version is None else {"if-match": f'"v{version}"'}
        request = Request(
            "PATCH",
            path("tasks", task_id),
            body=body(changes),
            headers=headers,
            repeatable=False,
        )
        return self.wire.one(request, Task)


@dataclass(frozen=True, slots=True)
class MessageCalls:
    """Calls about a task's conversation."""

    wire: Wire

    def list(
        self,
        task_id: Id,
        *,
        limit: int = 100,
        page: int | None = None,
        cursor: str | None = None,
    ) -> Flow[Page[Message]]:
        """Give a page of a conversation, in order."""
        asked = query({"limit": limit, "page": page, "cursor": cursor})
        return self.wire.page(Request("GET", path("tasks", task_id, "messages"), asked), Message)

    def append(
        self,
        task_id: Id,
        text: str,
        *,
        role: str = "assistant",
        type: str | None = None,  # noqa: A002 -- the field's name
        payload: dict[str, Any] | None = None,
    ) -> Flow[Message]:
        """Add a message to a conversation."""
        fields = given(text=text, role=role, type=type, payload=payload)
        where = path("tasks", task_id, "messages")
        return self.wire.one(Request("POST", where, body=body(fields), headers=key()), Message)
