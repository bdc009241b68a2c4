"""Replays: a run's steps with the state after each, folded on from step to step."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import jsonpatch
import msgspec
from msgspec import Raw
from sqlalchemy import Boolean, Integer, Text, bindparam, cast, false, func, select

from roost.db.jsontext import Finished, array_text, object_text
from roost.db.statements import Statement
from roost.db.tenancy import TENANT_ID, tenant_read
from roost.executions.states import written
from roost.executions.step_queries import EXECUTION, step_json
from roost.executions.tables import executions, steps
from roost.executions.values import NULL

_decode: Final = msgspec.json.Decoder(float_hook=Decimal).decode
_UNREAD: Final = object()


class Recorded(msgspec.Struct):
    """A step as it goes out, and what it makes of the state: a whole one, a patch, or nothing.

    What there is not is null; a state can be null too, but then it `is_whole`.
    """

    number: int
    at: datetime
    step: Raw
    is_whole: bool
    snapshot: Raw
    patch: Raw


@dataclass(frozen=True, slots=True)
class Played:
    """A step with the state that it leaves, as JSON; `at` is when it was recorded."""

    number: int
    at: datetime
    body: str


def play(before: bytes, recorded: Sequence[Recorded]) -> tuple[list[Played], bytes]:
    """Add to steps the state after each; `before` is the state before the first of them.

    Gives the state after the last as well: the next steps are played from there.
    """
    text = before
    state: Any = _UNREAD
    played = []
    for each in recorded:
        if each.is_whole:
            text, state = bytes(each.snapshot), _UNREAD
        elif bytes(each.patch) != NULL:
            if state is _UNREAD:
                state = _decode(text)
            state = jsonpatch.apply_patch(state, _decode(each.patch), in_place=True)
            text = written(state)
        step = bytes(each.step).decode()
        body = f'{step[:-1]},"state":{text.decode()}}}'
        played.append(Played(each.number, each.at, body))
    return played, text


def _statement() -> Statement:
    """Read the next steps of a run, and how far it has come.

    Places: `execution`, `after` and `until` (numbers of steps; the second is in it), `limit`.
    """
    s, run = steps.c, executions.c
    here = (s.workspace_id == TENANT_ID) & (s.execution_id == EXECUTION)
    rows = (
        select(steps)
        .where(
            here,
            s.number > bindparam("after", type_=Integer),
            s.number <= bindparam("until", type_=Integer),
        )
        .order_by(s.number)
        .limit(bindparam("limit", type_=Integer))
        .subquery("part")
    )
    part: Any = rows.c
    document = object_text(
        {
            "number": part.number,
            "at": part.at,
            "step": Finished(step_json(part)),
            "is_whole": func.coalesce(part.base == part.number, false(), type_=Boolean),
            "snapshot": Finished(cast(part.snapshot, Text)),
            "patch": Finished(cast(part.patch, Text)),
        }
    )
    last = select(func.max(s.number, type_=Integer)).where(here).scalar_subquery()
    body = select(
        run.status,
        func.coalesce(last, 0, type_=Integer).label("last"),
        select(array_text(document)).select_from(rows).scalar_subquery().label("steps"),
    ).where(run.workspace_id == TENANT_ID, run.id == EXECUTION)
    return tenant_read("select steps.replay", body)


STEPS: Final = _statement()
NOTHING: Final = NULL
"""The state before any step."""
