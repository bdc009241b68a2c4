"""Where a run's time begins and ends in each source of its timeline: the CTE `run`.

It is looked for once, from both ends of the task's messages and changes, and is in the cursor from
then on: the cost of a page does not go with what lies before.
"""

from typing import Any, Final

from sqlalchemy import (
    CTE,
    BigInteger,
    Boolean,
    DateTime,
    Integer,
    Uuid,
    bindparam,
    column,
    text,
)

from roost.executions.tables import executions
from roost.history.images import relation
from roost.tasks.tables import tasks

PLACES: Final[dict[str, Any]] = {
    "step_after": Integer,
    "message_after": Integer,
    "message_last": Integer,
    "change_after": BigInteger,
    "change_last": BigInteger,
    "event_after": BigInteger,
}
ENDLESS: Final = str(2**63 - 1)
_MESSAGES: Final = """from public.messages m
    where m.workspace_id = r.workspace_id and m.task_id = r.task_id"""
# What the run's last change did to its task was journaled after it, in the same transaction. What
# was begun before the end may be committed for a while after it: only then is the end kept.
_RUN: Final = f"""
    select r.*,
        coalesce(:step_after, 0) as step_after,
        coalesce(
            :message_after,
            (select m.position - 1 {_MESSAGES} and m.created_at >= r.created_at
                order by m.position limit 1),
            (select max(m.position) {_MESSAGES}),
            -1
        ) as message_after,
        case when r.finished_at is not null then coalesce(
            :message_last,
            (select m.position {_MESSAGES} and m.created_at <= r.finished_at
                order by m.position desc limit 1),
            -1
        ) end as message_last,
        coalesce(
            :change_after,
            (select t.seq from journal.tick t where t.at < r.created_at - interval '1 minute'
                order by t.at desc, t.id desc limit 1),
            0
        ) as change_after,
        case when r.finished_at is not null then
            coalesce(:change_last, greatest(before.seq, within.seq, 0))
        end as change_last,
        coalesce(:event_after, 0) as event_after
    from tenant
    cross join lateral (
        select x.workspace_id, x.id, x.task_id, x.created_at, x.finished_at,
            x.finished_at < clock_timestamp() - interval '1 minute' as is_settled
        from public.executions x
        where x.workspace_id = cast(tenant.workspace_id as uuid) and x.id = :execution
        offset 0
    ) r
    left join lateral (
        select e.seq
        from journal.entries_until(
            r.workspace_id, {relation(tasks)}, cast(r.task_id as text), r.finished_at, 1
        ) e
        where r.finished_at is not null and :change_last is null
    ) before on true
    left join lateral (
        select e.seq, e.xid
        from journal.entries_until(
            r.workspace_id, {relation(executions)}, cast(r.id as text), 'infinity', 20
        ) e
        where r.finished_at is not null and :change_last is null and e.at >= r.finished_at
        order by e.seq limit 1
    ) ended on true
    left join lateral (
        select max(e.seq) as seq
        from journal.entries_after(
            r.workspace_id, {relation(tasks)}, cast(r.task_id as text), ended.seq, {ENDLESS},
            r.finished_at, 20
        ) e
        where ended.seq is not null and e.xid = ended.xid
    ) within on true"""  # noqa: S608 -- names of the schema


def window() -> CTE:
    """Make the CTE of the run, its time, and after and up to what each source is read.

    Places: `execution` and `PLACES`; what is null in those is looked for.
    """
    places = (bindparam(name, type_=kind) for name, kind in PLACES.items())
    found = text(_RUN).bindparams(bindparam("execution", type_=Uuid), *places)
    kinds: dict[str, Any] = {"workspace_id": Uuid(), "id": Uuid(), "task_id": Uuid()}
    kinds |= dict.fromkeys(("created_at", "finished_at"), DateTime(timezone=True))
    kinds |= {name: kind() for name, kind in PLACES.items()}
    typed = found.columns(
        *(column(name, kind) for name, kind in kinds.items()), column("is_settled", Boolean)
    )
    return typed.cte("run").prefix_with("MATERIALIZED")
