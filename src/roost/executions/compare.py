"""Comparisons of two runs: read, laid side by side, and what differs in each pair of steps."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Raw
from sqlalchemy import BigInteger, Text, case, cast, func, literal_column, select, true

from roost import errors
from roost.db.jsontext import array_text
from roost.db.statements import Statement
from roost.db.tenancy import TENANT_ID, tenant_read
from roost.errors import FieldError, ProblemError
from roost.executions.compared_run import Side
from roost.executions.comparing import Row, align, diverges_at
from roost.executions.queries import execution_json
from roost.executions.states import fold_beside
from roost.executions.step_queries import EXECUTION, STATE, step_json
from roost.executions.tables import executions, steps
from roost.executions.values import NULL
from roost.executions.viewing_model import ComparisonSummary
from roost.history.patches import patch_text
from roost.web.endpoint import Call
from roost.web.kit import Kit

MOST_STEPS: Final = 10_000
MOST_BYTES: Final = 16 * 1024 * 1024
"""Of what one run's steps say."""
MOST_STATES: Final = 100
"""Pairs of steps whose states are compared."""
MOST_STATE_BYTES: Final = 8 * 1024 * 1024
"""Of all of those states."""


def _literal(number: int) -> Any:  # noqa: ANN401 -- an expression
    return literal_column(str(number))


def _statement() -> Statement:
    """Read a run with its steps, which are null when they are too many or too large."""
    run, s = executions.c, steps.c
    here = (s.workspace_id == TENANT_ID) & (s.execution_id == EXECUTION)
    first = (
        select(s.number, s.data, s.description)
        .where(here)
        .order_by(s.number)
        .limit(_literal(MOST_STEPS + 1))
    )
    one = first.subquery("one").c
    size = func.octet_length(func.concat(cast(one.data, Text), one.description))
    counted = select(
        func.count(one.number, type_=BigInteger).label("steps"),
        func.coalesce(func.sum(size), _literal(0), type_=BigInteger).label("bytes"),
    ).lateral("counted")
    ordered = select(step_json(s).label("body")).where(here).order_by(s.number).subquery("ordered")
    fits = (counted.c.steps <= _literal(MOST_STEPS)) & (counted.c.bytes <= _literal(MOST_BYTES))
    body = (
        select(
            execution_json(run).label("run"),
            counted.c.steps,
            counted.c.bytes,
            case((fits, select(array_text(ordered.c.body)).scalar_subquery())).label("body"),
        )
        .select_from(executions.join(counted, true()))
        .where(run.workspace_id == TENANT_ID, run.id == EXECUTION)
    )
    return tenant_read("select steps.compared", body)


_READ: Final = _statement()


async def comparison(kit: Kit, call: Call, other: UUID) -> bytes:
    """Compare a call's run with another; gives JSON. EXECUTION_NOT_FOUND or EXECUTION_TOO_LONG."""
    left = await _side(kit, call, "id", call.id())
    right = await _side(kit, call, "with", other)
    rows = await asyncio.to_thread(_aligned, left, right)
    left_out = await _add_states(kit, call, (left, right), rows)
    return await asyncio.to_thread(_written, left, right, rows, left_out)


async def _side(kit: Kit, call: Call, name: str, execution_id: UUID) -> Side:
    row = await kit.read(call, _READ, execution=execution_id)
    if row is None:
        wrong = FieldError(name, "names no execution of this workspace", "missing")
        raise ProblemError(errors.EXECUTION_NOT_FOUND, errors=[wrong])
    if row["body"] is None:
        message = f"has more than {MOST_STEPS} steps"
        if row["steps"] <= MOST_STEPS:
            message = f"has {row['bytes']} bytes in its steps; {MOST_BYTES} is the most"
        raise ProblemError(
            errors.EXECUTION_TOO_LONG,
            f"the execution {execution_id} {message}",
            errors=[FieldError(name, message, "too_long")],
        )
    return await asyncio.to_thread(Side.read, row["run"], row["body"])


def _aligned(left: Side, right: Side) -> list[Row]:
    return align(left.identities(), right.identities())


async def _add_states(kit: Kit, call: Call, sides: tuple[Side, Side], rows: Sequence[Row]) -> int:
    """Read the states that differ, up to the limits; gives how many pairs' are left out."""
    left, right = sides
    differing = [
        (row.left, row.right)
        for row in rows
        if row.left is not None
        and row.right is not None
        and left.steps[row.left].state_hash != right.steps[row.right].state_hash
    ]
    size = 0
    for shown, places in enumerate(differing):
        states = [
            await _state(kit, call, side, place) for side, place in zip(sides, places, strict=True)
        ]
        size += sum(map(len, states))
        if shown == MOST_STATES or size > MOST_STATE_BYTES:
            return len(differing) - shown
        for side, place, state in zip(sides, places, states, strict=True):
            side.states[place] = state
    return 0


async def _state(kit: Kit, call: Call, side: Side, place: int) -> bytes:
    number = side.steps[place].number
    row = await kit.read(call, STATE["number"], execution=side.run.id, number=number)
    # Gone meanwhile, with its task.
    if row is None or row["number"] is None:
        raise ProblemError(errors.EXECUTION_NOT_FOUND)
    return await fold_beside(row["pieces"]) or NULL


def _written(left: Side, right: Side, rows: Sequence[Row], left_out: int) -> bytes:
    counts = Counter(row.change for row in rows)
    summary = ComparisonSummary(
        left=left.figures(),
        right=right.figures(),
        same=counts["same"],
        changed=counts["changed"],
        missing=counts["missing"],
        extra=counts["extra"],
    )
    shown = {
        "divergesAt": diverges_at(rows),
        "steps": [_row(left, right, row) for row in rows],
        "summary": summary,
        "stateDiffsLeftOut": left_out,
    }
    return msgspec.json.encode(shown)


def _row(left: Side, right: Side, row: Row) -> dict[str, object]:
    diff = None
    if row.change == "changed" and row.left is not None and row.right is not None:
        diff = Raw(patch_text(left.document(row.left), right.document(row.right)).encode())
    return {
        "left": None if row.left is None else left.bodies[row.left],
        "right": None if row.right is None else right.bodies[row.right],
        "change": row.change,
        "diff": diff,
    }
