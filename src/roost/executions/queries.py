"""The statements on runs, compiled once per shape."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    ColumnElement,
    DateTime,
    Integer,
    Text,
    Uuid,
    bindparam,
    case,
    cast,
    column,
    func,
    insert,
    literal_column,
    null,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON

from roost.db.jsontext import Finished, object_text
from roost.db.keyset import Ordering
from roost.db.rowjson import Row, moments_of, renamed
from roost.db.statements import SHAPES, Statement, compiled
from roost.db.tenancy import TENANT_ID, USER_ID, change_cte, tenant_read
from roost.executions.tables import executions, steps
from roost.tasks.tables import tasks
from roost.web.lists import Listing

_c = executions.c
_PLAIN: Final = frozenset({"status"})
_WORKSPACE: Final[ColumnElement[Any]] = bindparam("workspace", type_=Uuid)
_mine = (_c.workspace_id == _WORKSPACE) & (_c.id == bindparam("execution", type_=Uuid))
_WIRE: Final[Mapping[str, str]] = {
    "id": "id",
    "workspaceId": "workspace_id",
    "taskId": "task_id",
    "environmentId": "environment_id",
    "agent": "agent",
    "agentVersion": "agent_version",
    "status": "status",
    "claimedBy": "claimed_by",
    "leaseSeconds": "lease_seconds",
    "leaseExpiresAt": "lease_expires_at",
    "heartbeatAt": "heartbeat_at",
    "input": "input",
    "output": "output",
    "error": "error",
    "traceId": "trace_id",
    "createdBy": "created_by",
    "version": "version",
    "createdAt": "created_at",
    "updatedAt": "updated_at",
    "startedAt": "started_at",
    "finishedAt": "finished_at",
}
"""The wire's names of a run's columns, in their order."""
_MOMENTS: Final = moments_of(executions)


def execution_json(
    columns: Any,  # noqa: ANN401 -- a column collection
    extra: Mapping[str, Any] | None = None,
) -> ColumnElement[str]:
    """Write one run as JSON text, from a table's or sub-select's columns."""
    c = columns
    last = (
        select(func.max(steps.c.number))
        .where(steps.c.workspace_id == c.workspace_id, steps.c.execution_id == c.id)
        .scalar_subquery()
    )
    origin = object_text({"id": c.forked_from_id, "step": c.forked_from_step})
    used = object_text({"tokensIn": c.tokens_in, "tokensOut": c.tokens_out, "cost": c.cost})
    fields = {
        **{name: c[column] for name, column in _WIRE.items()},
        "forkedFrom": Finished(case((c.forked_from_id.is_not(None), origin), else_=null())),
        "usage": Finished(used),
        "stepCount": Finished(cast(func.coalesce(last, 0), Text)),
    }
    return object_text({**fields, **(extra or {})}, plain=_PLAIN)


def execution_of_row(row: Row, step_count: int) -> dict[str, object]:
    """Give one run as `execution_json` writes it, from a row that PostgreSQL wrote itself."""
    origin = {"id": row["forked_from_id"], "step": row["forked_from_step"]}
    return {
        **renamed(row, _WIRE, _MOMENTS),
        "forkedFrom": None if bytes(row["forked_from_id"]) == b"null" else origin,
        "usage": {
            "tokensIn": row["tokens_in"],
            "tokensOut": row["tokens_out"],
            "cost": row["cost"],
        },
        "stepCount": step_count,
    }


_FIELDS: Final = {column.name: column for column in _c}


def _any(column: ColumnElement[Any], name: str, kind: Any = Text) -> ColumnElement[bool]:  # noqa: ANN401 -- an SQL type
    return column == func.any(bindparam(name, type_=ARRAY(kind)))


EXECUTIONS: Final = Listing(
    name="executions.page",
    rows=select().select_from(executions).where(_c.workspace_id == TENANT_ID),
    fields=_FIELDS,
    unique=_c.id,
    orderings={
        "createdAt": Ordering(_c.created_at),
        "updatedAt": Ordering(_c.updated_at),
        "startedAt": Ordering(_c.started_at),
        "finishedAt": Ordering(_c.finished_at),
        "status": Ordering(_c.status),
    },
    default="-createdAt",
    conditions={
        "status": _any(_c.status, "status"),
        "task": _any(_c.task_id, "task", Uuid),
        "environment": _any(_c.environment_id, "environment", Uuid),
        "agent": _any(_c.agent, "agent"),
        "claimed_by": _any(_c.claimed_by, "claimed_by", Uuid),
        "forked_from": _any(_c.forked_from_id, "forked_from", Uuid),
        "created_after": _c.created_at > bindparam("created_after", type_=_c.created_at.type),
        "created_before": _c.created_at < bindparam("created_before", type_=_c.created_at.type),
    },
    as_text=execution_json,
)
EXECUTION: Final = tenant_read(
    "select executions.item",
    select(execution_json(_c).label("body"), _c.version).where(
        _c.workspace_id == TENANT_ID, _c.id == bindparam("execution", type_=Uuid)
    ),
)
READ: Final = compiled(
    "select executions.item",
    select(_c.id, _c.version, execution_json(_c).label("body")).where(_mine),
)
LOCK_TASK: Final = compiled(
    "select executions.task",
    select(
        tasks.c.id,
        tasks.c.status,
        tasks.c.archived_at,
        tasks.c.assignee_id,
        tasks.c.environment_id,
    )
    .where(
        tasks.c.workspace_id == _WORKSPACE,
        tasks.c.id == select(_c.task_id).where(_mine).scalar_subquery(),
    )
    .with_for_update(key_share=True),
)
"""Locks the task of a run; before the run itself, as everybody does who needs both."""
_HELD: Final[Mapping[str, Any]] = {
    "id": Uuid,
    "task_id": Uuid,
    "status": Text,
    "version": Integer,
    "agent": Text,
    "claimed_by": Uuid,
    "lease_seconds": Integer,
    "is_overdue": Boolean,
    "since": DateTime(timezone=True),
    "now": DateTime(timezone=True),
    "last_number": Integer,
    "last_at": DateTime(timezone=True),
    "last_base": Integer,
    "last_hash": Text,
}


def _hold() -> Statement:
    columns = [column(name, kind) for name, kind in _HELD.items()]
    begins = bindparam("begins", type_=Boolean)
    held = func.hold_execution(_WORKSPACE, bindparam("execution", type_=Uuid), begins)
    return compiled("select executions.hold", select(*held.table_valued(*columns, name="held").c))


HOLD: Final = _hold()
"""Locks a run; its task before, if the run is queued and `begins` says that it may be started.

Gives what the rules go by, and the end of its record. Places: `workspace`, `execution`, `begins`.
"""
PRIORITY_RANK: Final[ColumnElement[int]] = literal_column(
    "array_position('{urgent,high,medium,low}'::text[], tasks.priority)", Integer
)
_INSERTED: Final = (
    "id",
    "task_id",
    "agent",
    "agent_version",
    "input",
    "trace_id",
    "created_by",
    "forked_from_id",
    "forked_from_step",
)


def _set_to(names: tuple[str, ...]) -> dict[str, Any]:
    return {name: bindparam(f"new_{name}", type_=_c[name].type) for name in names}


def _insert() -> Statement:
    """Make a queued run of a task that there is. Places: `workspace`, `new_<column>`."""
    here = tasks.c.workspace_id == _WORKSPACE
    wanted = tasks.c.id == bindparam("new_task_id", type_=Uuid)
    task = select(tasks.c.environment_id).where(here, wanted)
    rank = select(PRIORITY_RANK).where(here, wanted)
    values = _set_to(_INSERTED)
    statement = (
        insert(executions)
        .values(
            workspace_id=_WORKSPACE,
            environment_id=task.scalar_subquery(),
            rank=func.coalesce(rank.scalar_subquery(), literal_column("3")),
            status="queued",
            **values,
        )
        .returning(_c.id, _c.version, execution_json(_c).label("body"))
    )
    return compiled("insert executions", statement)


INSERT: Final = _insert()


def _renewed() -> dict[str, Any]:
    """Say that a lease holds for `new_lease_seconds` from now."""
    now = func.clock_timestamp()
    seconds = bindparam("new_lease_seconds", type_=Integer)
    until = now + func.make_interval(0, 0, 0, 0, 0, 0, seconds)
    return {"heartbeat_at": now, "lease_seconds": seconds, "lease_expires_at": until}


@lru_cache(maxsize=SHAPES)
def execution_update(names: tuple[str, ...], *, lease: bool, starts: bool, ends: bool) -> Statement:
    """Give the statement that sets these columns. Places: `new_<column>`, `workspace`, `execution`.

    With `lease` it is renewed for `new_lease_seconds`; `starts` and `ends` note when.
    """
    values = _set_to(names)
    now = func.clock_timestamp()
    if lease:
        values |= _renewed()
    if starts:
        values |= {"started_at": now}
    if ends:
        values |= {"finished_at": now, "lease_expires_at": null()}
    statement = (
        update(executions)
        .where(_mine)
        .values(**values, version=_c.version + 1, updated_at=now)
        .returning(_c.id, _c.version, execution_json(_c).label("body"))
    )
    return compiled("update executions", statement)


@lru_cache(maxsize=SHAPES)
def heartbeat(names: tuple[str, ...]) -> Statement:
    """Give the statement that renews a lease and sets these columns, the version left as it is.

    A heartbeat is no change that anybody who read the run before must know of.
    """
    statement = (
        update(executions)
        .where(_mine)
        .values(**_set_to(names), **_renewed())
        .returning(_c.id, _c.version, execution_json(_c).label("body"))
    )
    return compiled("update executions.lease", statement)


ORIGIN: Final = compiled("select executions.origin", select(_c.task_id, _c.input).where(_mine))
IS_WORKED_ON: Final = compiled(
    "select executions.is_worked_on",
    select(
        select(_c.id)
        .where(
            _c.workspace_id == _WORKSPACE,
            _c.task_id == bindparam("task", type_=Uuid),
            _c.lease_expires_at.is_not(None),
        )
        .exists()
        .label("is_worked_on")
    ),
)
TASK_STATUS: Final = compiled(
    "select executions.task_status",
    select(tasks.c.status).where(
        tasks.c.workspace_id == _WORKSPACE, tasks.c.id == bindparam("task", type_=Uuid)
    ),
)


_CLAIM_PLACES: Final[Mapping[str, Any]] = {
    "new_id": Uuid,
    "agent": Text,
    "agent_version": Text,
    "environment": Uuid,
    "labels": ARRAY(Text),
    "task": Uuid,
    "lease_seconds": Integer,
    "trace_id": Text,
}


def _claim(*, alone: bool) -> Statement:
    """Claim; `alone` brings its own context. One value, null when nothing waits."""
    place: ColumnElement[Any] = TENANT_ID if alone else _WORKSPACE
    whom: ColumnElement[Any] = USER_ID if alone else bindparam("user", type_=Uuid)
    places = [bindparam(name, type_=kind) for name, kind in _CLAIM_PLACES.items()]
    # The function runs after the tenant is set, for each of its statements is planned within it.
    claimed = select(func.claim_next_task(place, whom, *places, type_=JSON).label("claimed"))
    if alone:
        claimed = claimed.select_from(change_cte())
    return compiled("select executions.claim", claimed)


CLAIM: Final = _claim(alone=False)
CLAIM_ALONE: Final = _claim(alone=True)
