"""The statement of a part of a run's timeline: from each source what comes next, by index."""

from typing import Any, Final

from sqlalchemy import (
    CTE,
    BigInteger,
    Boolean,
    ColumnElement,
    FromClause,
    Integer,
    Text,
    and_,
    bindparam,
    case,
    cast,
    false,
    func,
    literal_column,
    or_,
    select,
    true,
)

from roost.db.jsontext import Finished, array_text, object_text, rfc3339
from roost.db.statements import Statement
from roost.db.tenancy import TENANT_ID, tenant_read
from roost.executions.step_queries import step_json
from roost.executions.tables import executions, steps
from roost.executions.timeline_window import ENDLESS, PLACES, window
from roost.history.course import Bounds, Course, course
from roost.journal.tables import horizon
from roost.tasks.messages import message_json
from roost.tasks.queries import task_json
from roost.tasks.tables import messages, tasks

_LIMIT: Final = bindparam("limit", type_=Integer)
_SEEN: Final = ("status", "version", "tokens_in", "tokens_out", "cost")
"""The columns of a run of which at least one changes with all but a bare heartbeat."""


def _lines(
    rows: FromClause,
    place: ColumnElement[Any],
    at: ColumnElement[Any],
    kind: str,
    thing: ColumnElement[str],
    **more: ColumnElement[Any] | Finished,
) -> ColumnElement[str]:
    """Write what a source gives next, in the order of `place`: that, the microsecond, the item."""
    name = literal_column(f"'{kind}'", Text)
    item = object_text({"kind": name, "at": at, kind: Finished(thing)}, plain=frozenset({"kind"}))
    micros = cast(func.extract("epoch", at) * literal_column("1000000"), BigInteger)
    line = object_text({"place": place, "time": micros, "item": Finished(item), **more})
    lines = select(line.label("line")).select_from(rows).order_by(place).subquery()
    return select(array_text(lines.c.line)).scalar_subquery()


def _steps(run: CTE) -> ColumnElement[str]:
    s, r = steps.c, run.c
    rows = (
        select(steps)
        .where(
            s.workspace_id == r.workspace_id,
            s.execution_id == r.id,
            s.number > r.step_after,
        )
        .order_by(s.number)
        .limit(_LIMIT)
        .correlate(run)
        .lateral("next_steps")
    )
    c = rows.c
    return _lines(run.join(rows, true()), c.number, c.at, "step", step_json(c))


def _messages(run: CTE) -> ColumnElement[str]:
    """Of a conversation, whose times need not grow: what is of another time is passed over."""
    m, r = messages.c, run.c
    rows = (
        select(messages)
        .where(
            m.workspace_id == r.workspace_id,
            m.task_id == r.task_id,
            m.position > r.message_after,
        )
        .order_by(m.position)
        .limit(_LIMIT)
        .correlate(run)
        .lateral("next_messages")
    )
    c = rows.c
    is_outside = or_(c.created_at < r.created_at, c.created_at > r.finished_at)
    passed = func.coalesce(is_outside, false(), type_=Boolean)
    # After the limit: with two bounds the planner would take so few for them that it sorts all.
    is_before_end = or_(r.message_last.is_(None), c.position <= r.message_last)
    source = select(rows, passed.label("passed")).select_from(run.join(rows, true()))
    known = source.where(is_before_end).subquery("known_messages")
    k = known.c
    return _lines(known, k.position, k.created_at, "message", message_json(k), passed=k.passed)


def _changes(found: Course) -> ColumnElement[str]:
    e = found.entries.c
    rows, old, new = found.joined()
    version = func.coalesce(new.version, old.version, type_=BigInteger)
    thing = object_text({"version": version, "op": e.op, "actorId": e.actor_id, "cause": e.cause})
    before, after = (Finished(case((side.id.is_not(None), task_json(side)))) for side in (old, new))
    return _lines(rows, e.seq, e.at, "taskChange", thing, before=before, after=after)


def _events(found: Course) -> ColumnElement[str]:
    e = found.entries.c
    rows, old, new = found.joined()
    used = object_text({"tokensIn": new.tokens_in, "tokensOut": new.tokens_out, "cost": new.cost})
    thing = object_text(
        {
            "status": new.status,
            "previousStatus": old.status,
            "actorId": e.actor_id,
            "cause": e.cause,
            "version": new.version,
            "usage": Finished(used),
        }
    )
    same = and_(*(old[name].is_not_distinct_from(new[name]) for name in _SEEN))
    silent = or_(new.id.is_(None), same)
    return _lines(rows, e.seq, e.at, "event", thing, silent=silent)


def _statement() -> Statement:
    """Read on in a run's timeline; no row when there is no such run.

    Places: `execution`, those of the window, `limit` and, of changes of the run, `most_events`.
    """
    run = window()
    r = run.c
    of_task = Bounds(
        row="r.task_id",
        after="r.change_after",
        last=f"coalesce(r.change_last, {ENDLESS})",
        since="r.created_at",
        most=":limit",
    )
    of_run = Bounds(
        row="r.id",
        after="r.event_after",
        last=ENDLESS,
        since="'-infinity'",
        most=":most_events",
    )
    changes = course(tasks, "changes", of_task, {"limit": Integer()})
    events = course(executions, "events", of_run, {"most_events": Integer()}, whole=False)
    kept_since = select(rfc3339(horizon.c.at)).where(horizon.c.at > r.created_at)
    body = select(
        *(r[name] for name in PLACES),
        r.is_settled,
        kept_since.scalar_subquery().label("changes_since"),
        _steps(run).label("steps"),
        _messages(run).label("messages"),
        _changes(changes).label("changes"),
        _events(events).label("events"),
    ).where(cast(TENANT_ID, Text).is_not(None))
    return tenant_read("select executions.timeline", body, ctes=(run, *changes.ctes, *events.ctes))


TIMELINE: Final = _statement()
