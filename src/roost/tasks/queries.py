"""The statements on tasks, compiled once per shape."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Text,
    Uuid,
    bindparam,
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
from sqlalchemy.dialects.postgresql import JSON

from roost.db.jsontext import Finished, array_text, object_text
from roost.db.rowjson import Row, moments_of, renamed
from roost.db.statements import SHAPES, Statement, compiled
from roost.db.tenancy import TENANT_ID, TRANSACTION_ID, change_cte, tenant_read
from roost.environments.tables import environments
from roost.identity.tables import memberships
from roost.tasks.filters import CONDITIONS, ORDERINGS, ids, lexemes, likeness
from roost.tasks.tables import tasks
from roost.web.lists import Listing

_c = tasks.c
WIRE: Mapping[str, str] = {
    "id": "id",
    "workspaceId": "workspace_id",
    "title": "title",
    "description": "description",
    "status": "status",
    "priority": "priority",
    "mode": "mode",
    "environmentId": "environment_id",
    "repository": "repository",
    "branch": "branch",
    "assigneeId": "assignee_id",
    "createdBy": "created_by",
    "labels": "labels",
    "dueAt": "due_at",
    "completedAt": "completed_at",
    "archivedAt": "archived_at",
    "statusMessage": "status_message",
    "hasChanges": "has_changes",
    "pullRequest": "pull_request",
    "position": "position",
    "metadata": "metadata",
    "version": "version",
    "createdAt": "created_at",
    "updatedAt": "updated_at",
}
"""The wire's names of a task's columns, in their order."""
_PLAIN = frozenset({"status", "priority", "mode"})
_MOMENTS = moments_of(tasks)
WRITTEN = tuple(
    name
    for name in WIRE.values()
    if name not in {"workspace_id", "version", "created_at", "updated_at"}
)
"""The columns that a new task is given."""


def task_json(columns: Any, extra: Mapping[str, Any] | None = None) -> ColumnElement[str]:  # noqa: ANN401 -- a column collection
    """Write one task as JSON text, from a table's or sub-select's columns."""
    fields = {wire: columns[name] for wire, name in WIRE.items()}
    return object_text({**fields, **(extra or {})}, plain=_PLAIN)


def task_of_row(row: Row) -> dict[str, object]:
    """Give one task as `task_json` writes it, from a row that PostgreSQL wrote by `row_to_json`."""
    return renamed(row, WIRE, _MOMENTS)


TASKS = Listing(
    name="tasks.page",
    rows=select().select_from(tasks).where(_c.workspace_id == TENANT_ID),
    fields={name: _c[name] for name in WIRE.values()},
    unique=_c.id,
    orderings=ORDERINGS,
    default="-createdAt",
    conditions=CONDITIONS,
    as_text=task_json,
)


@lru_cache(maxsize=SHAPES)
def task_search(names: tuple[str, ...]) -> Statement:
    """Give the statement of a ranked search. Places: those of the conditions, and `limit`."""
    score: ColumnElement[Any] = literal_column("0::float8")
    for place in {"words", "words_or_alike"} & set(names):
        score = func.ts_rank_cd(_c.search, lexemes(place)).cast(_c.position.type)
        if place == "words_or_alike":
            score = score + likeness()
    rows = (
        select(*(_c[name] for name in WIRE.values()), score.label("score"))
        .where(_c.workspace_id == TENANT_ID, *(CONDITIONS[name] for name in names))
        .order_by(literal_column("score").desc(), _c.updated_at.desc(), _c.id)
        .limit(bindparam("limit", type_=Integer))
        .subquery("found")
    )
    found = task_json(rows.c, {"score": Finished(cast(rows.c.score, Text))})
    return tenant_read(
        "select tasks.search", select(array_text(found).label("items")).select_from(rows)
    )


def _one(name: str = "task") -> ColumnElement[bool]:
    return _c.id == bindparam(name, type_=Uuid)


ITEM = select(task_json(_c).label("body"), _c.version).where(_c.workspace_id == TENANT_ID, _one())
TASK = tenant_read("select tasks.item", ITEM)
_mine = _c.workspace_id == bindparam("workspace", type_=Uuid)
_shown = (_c.id, _c.version, task_json(_c).label("body"))
READ = compiled("select tasks.item", select(*_shown).where(_mine, _one()))
LOCK = compiled(
    "select tasks.lock",
    select(_c.status, _c.version, _c.metadata, _c.pull_request)
    .where(_mine, _one())
    .with_for_update(key_share=True),
)


def _known(columns: Any, column_: str) -> Statement:  # noqa: ANN401 -- a column collection
    here = columns.workspace_id == bindparam("workspace", type_=Uuid)
    rows = select(columns[column_].label("id")).where(here, columns[column_] == ids("ids"))
    return compiled("select tasks.references", rows)


KNOWN: Mapping[str, Statement] = {
    "environment_id": _known(environments.c, "id"),
    "assignee_id": _known(memberships.c, "user_id"),
}
"""Which of `ids` a task may name, by the column that names them."""
LOCK_ALL = compiled(
    "select tasks.lock_all",
    select(_c.id).where(_mine, _c.id == ids("ids")).order_by(_c.id).with_for_update(key_share=True),
)
DELETE = compiled("delete tasks", delete(tasks).where(_mine, _one()).returning(_c.id))


def _insert(*, alone: bool) -> Statement:
    """Make tasks out of a JSON array of rows, in its order; `alone` brings its own context."""
    rows = func.json_to_recordset(bindparam("rows", type_=JSON))
    source = rows.table_valued(
        *(column(name, _c[name].type) for name in WRITTEN), name="new"
    ).render_derived(with_types=True)
    new = [source.c[name] for name in WRITTEN]
    if alone:
        rows_of = select(TENANT_ID, *new).select_from(change_cte().join(source, true()))
    else:
        rows_of = select(bindparam("workspace", type_=Uuid), *new)
    statement = (
        insert(tasks)
        .from_select(["workspace_id", *WRITTEN], rows_of)
        .returning(*_shown, TRANSACTION_ID.label("xid"))
    )
    return compiled("insert tasks", statement)


INSERT = _insert(alone=False)
INSERT_ALONE = _insert(alone=True)


@lru_cache(maxsize=SHAPES)
def task_update(names: tuple[str, ...], *, completed_now: bool) -> Statement:
    """Give the statement that sets these columns. Places: `new_<column>`, `workspace`, `task`."""
    values: dict[str, Any] = {name: bindparam(f"new_{name}", type_=_c[name].type) for name in names}
    if completed_now:
        values["completed_at"] = func.now()
    statement = (
        update(tasks)
        .where(_mine, _one())
        .values(**values, version=_c.version + 1, updated_at=func.now())
        .returning(*_shown)
    )
    return compiled("update tasks", statement)
