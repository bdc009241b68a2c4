"""The conversation of a task: read in order, appended to without gaps."""

from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Integer, Text, Uuid, bindparam, func, insert, select
from sqlalchemy.dialects.postgresql import JSONB
from uuid_utils.compat import uuid7

from roost import errors
from roost.db.jsontext import object_text
from roost.db.keyset import Ordering
from roost.db.pool import Transaction
from roost.db.statements import Statement, compiled
from roost.db.tenancy import TENANT_ID
from roost.errors import ProblemError
from roost.tasks import queries
from roost.tasks.model import MessageCreate
from roost.tasks.tables import messages, tasks
from roost.web.lists import Listing

_c = messages.c
_WIRE = {
    "id": "id",
    "taskId": "task_id",
    "position": "position",
    "role": "role",
    "type": "type",
    "text": "text",
    "payload": "payload",
    "createdBy": "created_by",
    "createdAt": "created_at",
}


def message_json(columns: Any) -> ColumnElement[str]:  # noqa: ANN401 -- a column collection
    """Write one message as JSON text, from a table's or sub-select's columns."""
    return object_text({wire: columns[name] for wire, name in _WIRE.items()})


_TASK: ColumnElement[UUID] = bindparam("task", type_=Uuid)
CONVERSATION = Listing(
    name="messages.page",
    rows=select().select_from(messages).where(_c.workspace_id == TENANT_ID, _c.task_id == _TASK),
    fields={name: _c[name] for name in _WIRE.values()},
    unique=None,
    orderings={"position": Ordering(_c.position)},
    default="position",
    as_text=message_json,
    beside=(
        select(tasks.c.id)
        .where(tasks.c.workspace_id == TENANT_ID, tasks.c.id == _TASK)
        .scalar_subquery()
        .label("task"),
    ),
)


def _append() -> Statement:
    workspace, task = bindparam("workspace", type_=Uuid), bindparam("task", type_=Uuid)
    next_position = (
        select(func.coalesce(func.max(_c.position) + 1, 0))
        .where(_c.workspace_id == workspace, _c.task_id == task)
        .scalar_subquery()
    )
    statement = (
        insert(messages)
        .values(
            workspace_id=workspace,
            id=bindparam("message", type_=Uuid),
            task_id=task,
            position=next_position.cast(Integer),
            role=bindparam("role_", type_=Text),
            type=bindparam("type_", type_=Text),
            text=bindparam("text_", type_=Text),
            payload=bindparam("payload_", type_=JSONB),
            created_by=bindparam("user", type_=Uuid),
        )
        .returning(_c.id, message_json(_c).label("body"))
    )
    return compiled("insert messages", statement)


_APPEND = _append()


async def append_message(
    transaction: Transaction,
    workspace_id: UUID,
    task_id: UUID,
    message: MessageCreate,
    user_id: UUID,
) -> tuple[UUID, str]:
    """Add to the end of the conversation; gives the message's id and JSON, or TASK_NOT_FOUND.

    The task's row is locked, so that two writers get two positions.
    """
    task = await transaction.row(queries.LOCK, workspace=workspace_id, task=task_id)
    if task is None:
        raise ProblemError(errors.TASK_NOT_FOUND)
    row = await transaction.row(
        _APPEND,
        workspace=workspace_id,
        task=task_id,
        message=uuid7(),
        role_=message.role,
        type_=message.type,
        text_=message.text,
        payload_=msgspec.json.encode(message.payload).decode(),
        user=user_id,
    )
    assert row is not None  # noqa: S101 -- an insert gives its row
    return row["id"], row["body"]
