"""The statements on steps."""

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
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON

from roost.db.jsontext import Finished, array_text, object_text
from roost.db.keyset import Ordering
from roost.db.statements import Statement, compiled
from roost.db.tenancy import TENANT_ID, tenant_read
from roost.executions.tables import executions, steps
from roost.web.lists import Listing

_s = steps.c
_WORKSPACE: Final[ColumnElement[Any]] = bindparam("workspace", type_=Uuid)
EXECUTION: Final[ColumnElement[Any]] = bindparam("execution", type_=Uuid)
_WIRE: Final = {
    "id": "id",
    "executionId": "execution_id",
    "number": "number",
    "type": "type",
    "description": "description",
    "data": "data",
    "clientKey": "client_key",
    "checkpoint": "is_checkpoint",
    "stateHash": "state_hash",
    "durationMs": "duration_ms",
    "at": "at",
    "createdBy": "created_by",
}
_PLAIN: Final = frozenset({"type"})


def step_json(columns: Any) -> ColumnElement[str]:  # noqa: ANN401 -- a column collection
    """Write one step as JSON text, from a table's or sub-select's columns."""
    return object_text({wire: columns[name] for wire, name in _WIRE.items()}, plain=_PLAIN)


STEPS: Final = Listing(
    name="steps.page",
    rows=select()
    .select_from(steps)
    .where(_s.workspace_id == TENANT_ID, _s.execution_id == EXECUTION),
    fields={name: _s[name] for name in _WIRE.values()},
    unique=None,
    orderings={"number": Ordering(_s.number, nullable=False)},
    default="number",
    conditions={
        "type": _s.type == func.any(bindparam("type", type_=ARRAY(Text))),
        "checkpoint": _s.is_checkpoint == bindparam("checkpoint", type_=Boolean),
    },
    as_text=step_json,
    beside=(
        select(executions.c.id)
        .where(executions.c.workspace_id == TENANT_ID, executions.c.id == EXECUTION)
        .scalar_subquery()
        .label("execution"),
    ),
)
_here = (_s.workspace_id == _WORKSPACE) & (_s.execution_id == EXECUTION)
BY_CLIENT_KEY: Final = compiled(
    "select steps.by_client_key",
    select(
        _s.client_key,
        _s.type,
        _s.description,
        _s.data,
        _s.is_checkpoint,
        _s.state_hash,
        or_(_s.snapshot.is_not(None), _s.patch.is_not(None)).label("has_state"),
        step_json(_s).label("body"),
    ).where(_here, _s.client_key == func.any(bindparam("keys", type_=ARRAY(Text)))),
)
"""What was recorded under these keys. Places: `workspace`, `execution`, `keys`."""
WRITTEN: Final = (
    "id",
    "number",
    "type",
    "description",
    "data",
    "client_key",
    "is_checkpoint",
    "snapshot",
    "patch",
    "base",
    "state_hash",
    "duration_ms",
    "at",
    "created_by",
)


_STATES: Final = frozenset({"snapshot", "patch"})


def _insert() -> Statement:
    rows = func.json_to_recordset(bindparam("rows", type_=JSON))
    # As texts: a state may be null, which is no absent one.
    kinds = {name: Text() if name in _STATES else _s[name].type for name in WRITTEN}
    source = rows.table_valued(
        *(column(name, kind) for name, kind in kinds.items()), name="new"
    ).render_derived(with_types=True)
    new = [
        cast(source.c[name], _s[name].type) if name in _STATES else source.c[name]
        for name in WRITTEN
    ]
    statement = (
        insert(steps)
        .from_select(
            ["workspace_id", "execution_id", *WRITTEN],
            select(_WORKSPACE, EXECUTION, *new),
        )
        .returning(_s.number, step_json(_s).label("body"))
    )
    return compiled("insert steps", statement)


INSERT: Final = _insert()
"""Inserts steps out of a JSON array of rows. Places: `workspace`, `execution`, `rows`."""


_ASKED: Final = {
    "number": _s.number == bindparam("number", type_=Integer),
    "at": _s.at <= bindparam("at", type_=DateTime(timezone=True)),
    "last": true(),
}


def _state(by: str, *, alone: bool) -> Statement:
    """Read a step, and what the state after it is folded from; `by` names the step.

    No row when there is no such run; `number` is null when there is no such step.
    """
    workspace: ColumnElement[Any] = TENANT_ID if alone else _WORKSPACE
    here = (_s.workspace_id == workspace) & (_s.execution_id == EXECUTION)
    asked = (
        select(_s.id, _s.number, _s.base, _s.at, _s.type, _s.state_hash, _s.is_checkpoint,
               step_json(_s).label("body"))
        .where(here, _ASKED[by])
        .order_by(_s.number.desc())
        .limit(literal_column("1"))
        .lateral("asked")
    )  # fmt: skip
    part = steps.alias("part")
    p = part.c
    value = case((p.snapshot.is_not(None), cast(p.snapshot, Text)), else_=cast(p.patch, Text))
    piece = object_text({"number": p.number, "value": Finished(value)})
    parts = (
        select(p.number, piece.label("piece"))
        .where(
            p.workspace_id == workspace,
            p.execution_id == EXECUTION,
            p.number.between(asked.c.base, asked.c.number),
            or_(p.snapshot.is_not(None), p.patch.is_not(None)),
        )
        .order_by(p.number)
        .correlate(asked)
        .subquery("parts")
    )
    pieces = select(array_text(parts.c.piece)).correlate(asked).scalar_subquery()
    run = executions.c
    body = (
        select(
            asked.c.id,
            asked.c.number,
            asked.c.at,
            asked.c.type,
            asked.c.is_checkpoint,
            asked.c.state_hash,
            asked.c.base,
            asked.c.body,
            pieces.label("pieces"),
        )
        .select_from(executions.outerjoin(asked, true()))
        .where(run.workspace_id == workspace, run.id == EXECUTION)
    )
    name = f"select steps.state_by_{by}"
    return tenant_read(name, body) if alone else compiled(name, body)


STATE: Final = {by: _state(by, alone=True) for by in _ASKED}
"""Reads a state. Places: `execution`, and `number` or `at`."""
STATE_WITHIN: Final = {by: _state(by, alone=False) for by in _ASKED}
"""The same in a transaction, whose place `workspace` must be given."""
