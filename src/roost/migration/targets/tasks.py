"""Tasks with their conversations: a chunk in one statement."""

from collections.abc import Container, Sequence
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    Integer,
    Text,
    Uuid,
    bindparam,
    case,
    cast,
    column,
    delete,
    func,
    insert,
    literal_column,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import JSON, aggregate_order_by

from roost.db.jsontext import object_text, rfc3339
from roost.db.pool import Transaction
from roost.db.statements import Statement, compiled
from roost.migration.content import Content, content_of, encode
from roost.migration.model import Item
from roost.migration.targets.target import (
    USER,
    WORKSPACE,
    Change,
    Found,
    Place,
    is_any,
    records,
    text_array,
)
from roost.tasks.tables import messages, tasks

_t, _m = tasks.c, messages.c
_ID: Final = {"id": _t.id}
FIELDS: Final[dict[str, Any]] = {
    "title": _t.title,
    "description": _t.description,
    "status": _t.status,
    "priority": _t.priority,
    "mode": _t.mode,
    "environmentId": _t.environment_id,
    "repository": _t.repository,
    "branch": _t.branch,
    "labels": _t.labels,
    "dueAt": _t.due_at,
    "completedAt": _t.completed_at,
    "archivedAt": _t.archived_at,
    "statusMessage": _t.status_message,
    "hasChanges": _t.has_changes,
    "pullRequest": _t.pull_request,
    "position": _t.position,
    "metadata": _t.metadata,
    "createdAt": _t.created_at,
    "updatedAt": _t.updated_at,
}
_MESSAGE: Final[dict[str, Any]] = {
    "id": _m.id,
    "position": _m.position,
    "role": _m.role,
    "type": _m.type,
    "text": _m.text,
    "payload": _m.payload,
    "createdBy": _m.created_by,
    "createdAt": _m.created_at,
}
# The version digit of a UUID's text: migrated messages have 5, those written in Roost 7.
_VERSION_AT, _MIGRATED = 14, "5"
_mine: Final = (_t.workspace_id == WORKSPACE) & (_t.created_by == USER)
_OUT_OF_THE_WAY: Final = 10_000_000
"""More than a conversation has messages."""


def _new_messages(source: Any) -> Any:  # noqa: ANN401 -- a table-valued function
    return records(_MESSAGE, "message", source.c.messages)


def _new_tasks() -> Any:  # noqa: ANN401 -- a table-valued function
    return records({**_ID, **FIELDS, "messages": column("messages", JSON)})


def _insert_messages(source: Any) -> Any:  # noqa: ANN401 -- a CTE
    said = _new_messages(source)
    author = func.coalesce(said.c.createdBy, case((said.c.role == "user", USER)))
    rows = select(
        WORKSPACE,
        source.c.id,
        *(said.c[name] for name in ("id", "position", "role", "type", "text", "payload")),
        author,
        func.coalesce(said.c.createdAt, source.c.createdAt),
    ).select_from(source.join(said, true()))
    names = ["workspace_id", "task_id", "id", "position", "role", "type", "text", "payload"]
    return insert(messages).from_select([*names, "created_by", "created_at"], rows)


def _create() -> Statement:
    new = select(_new_tasks()).cte("source").prefix_with("MATERIALIZED")
    made = (
        insert(tasks)
        .from_select(
            ["workspace_id", "created_by", "id", *(known.name for known in FIELDS.values())],
            select(WORKSPACE, USER, new.c.id, *(new.c[name] for name in FIELDS)),
        )
        .cte("made")
    )
    return compiled("insert tasks.migrated", _insert_messages(new).add_cte(made))


def _overwrite() -> Statement:
    new = records({**_ID, **FIELDS, "expected": _t.version, "messages": column("messages", JSON)})
    values = {known.name: new.c[name] for name, known in FIELDS.items()}
    unchanged = new.c.expected.is_(None) | (_t.version == new.c.expected)
    changed = (
        update(tasks)
        .where(_mine, _t.id == new.c.id, unchanged)
        .values(**values, version=_t.version + 1)
        .returning(_t.id, rfc3339(_t.created_at).label("made"))
    )
    return compiled("update tasks.migrated", changed)


def _put_messages() -> Statement:
    source = records({**_ID, "createdAt": _t.created_at, "messages": column("messages", JSON)})
    return compiled("insert messages.migrated", _insert_messages(source))


def _found() -> Statement:
    body = object_text({**_ID, **FIELDS})
    rows = select(_t.id, _t.version, body.label("body")).where(_mine, is_any(_t.id))
    return compiled("select tasks.migrated", rows)


def _found_messages() -> Statement:
    comma: Any = literal_column("','")
    joined = func.string_agg(object_text(_MESSAGE), aggregate_order_by(comma, _m.position))
    rows = (
        select(_m.task_id, func.concat("[", joined, "]").label("body"))
        .where(_m.workspace_id == WORKSPACE, is_any(_m.task_id))
        .group_by(_m.task_id)
    )
    return compiled("select messages.migrated", rows)


_CREATE: Final = _create()
_OVERWRITE: Final = _overwrite()
_PUT_MESSAGES: Final = _put_messages()
_FOUND: Final = _found()
_FOUND_MESSAGES: Final = _found_messages()
_theirs: Final = (_m.workspace_id == WORKSPACE) & is_any(_m.task_id)
_written_here: Final = func.substr(
    cast(_m.id, Text), literal_column(str(_VERSION_AT + 1)), literal_column("1")
) != literal_column(f"'{_MIGRATED}'", Text)
_CLEAR: Final = compiled(
    "delete messages.migrated",
    delete(messages).where(
        _theirs, ~_written_here | (_m.id == func.any(bindparam("said", type_=ARRAY(Uuid))))
    ),
)
# Positions are unique at every moment: what stays makes room first, and follows then.
_MAKE_ROOM: Final = compiled(
    "update messages.room",
    update(messages)
    .where(_theirs)
    .values(position=_m.position + literal_column(str(_OUT_OF_THE_WAY)))
    .returning(_m.id),
)


def _follow() -> Statement:
    place = func.row_number().over(partition_by=_m.task_id, order_by=_m.position)
    numbered = (
        select(_m.id, (place - literal_column("1")).cast(Integer).label("place"))
        .where(_theirs)
        .subquery("numbered")
    )
    changed = (
        update(messages)
        .where(
            _m.workspace_id == WORKSPACE,
            _m.id == numbered.c.id,
            _m.position >= literal_column(str(_OUT_OF_THE_WAY)),
        )
        .values(position=numbered.c.place)
    )
    return compiled("update messages.follow", changed)


_FOLLOW: Final = _follow()


class TaskTarget:
    """Tasks; their messages go with them."""

    async def found(
        self, transaction: Transaction, place: Place, ids: Sequence[str]
    ) -> dict[str, Found]:
        """The user's tasks that exist, each with its conversation."""
        these = {"workspace": place.workspace_id, "user": place.user_id}
        rows = await transaction.rows(_FOUND, **these, ids=ids)
        if not rows:
            return {}
        present = [row["id"] for row in rows]
        said = await transaction.rows(_FOUND_MESSAGES, workspace=place.workspace_id, ids=present)
        texts = {row["task_id"]: row["body"] for row in said}
        return {
            str(row["id"]): Found(
                f'{row["body"][:-1]},"messages":{texts.get(row["id"], "[]")}}}'.encode(),
                row["version"],
            )
            for row in rows
        }

    async def create(self, transaction: Transaction, place: Place, items: Sequence[Item]) -> None:
        """Insert tasks and messages."""
        rows = text_array([content_of(item) for item in items])
        await transaction.row(_CREATE, workspace=place.workspace_id, user=place.user_id, rows=rows)

    async def overwrite(
        self, transaction: Transaction, place: Place, changes: Sequence[Change]
    ) -> int:
        """Put tasks and their conversations in the place of what is there.

        Messages that were written here since follow behind the others.
        """
        contents = [change.content() for change in changes]
        rows = encode(contents).decode()
        whose = {"workspace": place.workspace_id, "user": place.user_id}
        changed = await transaction.rows(_OVERWRITE, **whose, rows=rows)
        # Messages without a time have their task's, which may be the one it had before.
        created = {str(row["id"]): row["made"] for row in changed}
        said = [
            {"id": each["id"], "createdAt": created[each["id"]], "messages": each["messages"]}
            for each in contents
            if each["id"] in created
        ]
        these = {"workspace": place.workspace_id, "ids": list(created)}
        incoming = [message["id"] for each in said for message in each["messages"]]
        await transaction.row(_CLEAR, **these, said=incoming)
        staying = await transaction.rows(_MAKE_ROOM, **these)
        await transaction.row(_PUT_MESSAGES, **whose, rows=encode(said).decode())
        if staying:
            await transaction.row(_FOLLOW, **these)
        return len(created)


def _of_the_draft(content: Content, known: Container[str]) -> list[dict[str, Any]]:
    """The messages that a draft has; `known` are ids of such, whoever made them."""
    return [
        each
        for each in content["messages"]
        if each["id"][_VERSION_AT] == _MIGRATED or each["id"] in known
    ]


def has_authors(content: Content, user_id: str, known: Container[str] = ()) -> bool:
    """Whether the user's messages of a draft are said to be theirs, and the others nobody's."""
    return all(
        each["createdBy"] == (user_id if each["role"] == "user" else None)
        for each in _of_the_draft(content, known)
    )


def without_later(content: Content, known: Container[str] = ()) -> Content:
    """A row's content as a draft has it: without authors, and what was said in Roost later."""
    said = _of_the_draft(content, known)
    for each in said:
        each.pop("createdBy", None)
        if each["createdAt"] == content["createdAt"]:
            each["createdAt"] = None
    return content | {"messages": said}
