"""What became of each thing of a workspace between two moments."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Raw
from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    FromClause,
    Integer,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    or_,
    select,
)

from roost.db.jsontext import Finished, array_text, object_text
from roost.db.statements import Statement
from roost.db.tenancy import TENANT_ID, tenant_read
from roost.history.kinds import Kind
from roost.history.model import DiffQuery
from roost.history.moments import Moment
from roost.history.patches import patch_text
from roost.history.states import Keys, past, states, touched
from roost.web.endpoint import Call
from roost.web.kit import Kit
from roost.web.paging import COUNT_CAP, SortKey, decode_cursor, encode_cursor, page_reply
from roost.web.query import invalid
from roost.web.reply import Reply

_ORDER: Final = (SortKey("kind", descending=False),)
FIRST: Final = UUID(int=0)


class _Change(msgspec.Struct):
    id: UUID
    change: str
    before: Raw
    after: Raw


def differing(left: Any, right: Any, names: Sequence[str]) -> ColumnElement[bool]:  # noqa: ANN401 -- column collections
    """Whether any of these columns differ."""
    return or_(*(left[name].is_distinct_from(right[name]) for name in names))


def change_of(left: Any, right: Any) -> ColumnElement[str]:  # noqa: ANN401 -- column collections
    """Say in a word how `right` differs from `left`, in a full join of both."""
    words = [literal_column(f"'{word}'", Text) for word in ("created", "deleted", "changed")]
    return case((left.id.is_(None), words[0]), (right.id.is_(None), words[1]), else_=words[2])


def _changes(before: CTE, after: CTE) -> FromClause:
    both = and_(before.c.id == after.c.id, before.c.workspace_id == after.c.workspace_id)
    return before.join(after, both, full=True)


@lru_cache(maxsize=8)
def _statement(kind: Kind) -> Statement:
    """Give the statement of a part of the differences of a kind, by id.

    Places: of the moments `earlier` and `later`; `limit`, `offset`, `after_id`.
    """
    table, found = kind.table, Keys(among="touched")
    moments = (past(name="earlier"), past(name="later"))
    before, after = (
        states(table, found, name=name, moment=moment, exclude=_computed(kind))
        for name, moment in (("before", "earlier"), ("after", "later"))
    )
    key: ColumnElement[UUID] = func.coalesce(before.c.id, after.c.id, type_=Uuid)
    changed = (
        select(
            key.label("id"),
            change_of(before.c, after.c).label("change"),
            kind.as_text(before.c).label("old"),
            kind.as_text(after.c).label("new"),
            before.c.id.label("old_id"),
            after.c.id.label("new_id"),
        )
        .select_from(_changes(before, after))
        .where(differing(before.c, after.c, kind.stored))
        .cte("changed")
    )
    c = changed.c
    rows = (
        select(changed)
        .where(c.id > bindparam("after_id", type_=Uuid))
        .order_by(c.id)
        .limit(bindparam("limit", type_=Integer))
        .offset(bindparam("offset", type_=Integer))
        .subquery("part")
    )
    r = rows.c
    document = object_text(
        {
            "id": r.id,
            "change": r.change,
            "before": Finished(case((r.old_id.is_not(None), r.old))),
            "after": Finished(case((r.new_id.is_not(None), r.new))),
        }
    )
    body = select(
        array_text(document).label("items"),
        select(func.count(type_=BigInteger)).select_from(changed).scalar_subquery().label("total"),
    ).select_from(rows)
    ctes = (*moments, touched(table, "touched", "earlier", "later"), before, after)
    used = cast(TENANT_ID, Text).is_not(None)
    return tenant_read(f"select {kind.name}.diff", body.where(used), ctes=ctes)


def _computed(kind: Kind) -> list[str]:
    return [each.name for each in kind.table.c if each.computed is not None]


async def difference_page(
    kit: Kit, call: Call, kinds: Sequence[Kind], earlier: Moment, later: Moment
) -> Reply:
    """Answer a page of what differs, kind by kind, each by id."""
    query: DiffQuery = call.query
    start, after_id = _start(query, kinds)
    offset = 0 if query.cursor else ((query.page or 1) - 1) * query.limit
    places = earlier.places("earlier") | later.places("later")
    items: list[bytes] = []
    last: tuple[str, UUID] | None = None
    total, more = 0, False
    for number, kind in enumerate(kinds):
        # One more than there is room for, to know whether anything follows.
        room = query.limit - len(items) + 1 if number >= start and not more else 0
        row = await kit.read(
            call,
            _statement(kind),
            **places,
            limit=room,
            offset=offset,
            after_id=after_id if number == start else FIRST,
        )
        total += row["total"]
        offset = max(offset - row["total"], 0)
        for change in msgspec.json.decode(row["items"], type=list[_Change]):
            if len(items) == query.limit:
                more = True
                break
            items.append(_shown(kind, change))
            last = (kind.name, change.id)
    cursor = encode_cursor(_ORDER, [last[0], str(last[1])]) if more and last else None
    text = (b"[" + b",".join(items) + b"]").decode()
    reply = page_reply(
        text, query, min(total, COUNT_CAP + 1), cursor, by_cursor=query.cursor is not None
    )
    return kit.conditional(call, reply)


def _start(query: DiffQuery, kinds: Sequence[Kind]) -> tuple[int, UUID]:
    if query.cursor is None:
        return 0, FIRST
    if query.page is not None:
        raise invalid("cursor", "can't go with page", "conflict")
    name, row = decode_cursor(_ORDER, query.cursor, 2)
    numbers = {kind.name: number for number, kind in enumerate(kinds)}
    try:
        return numbers[name or ""], UUID(row or "")
    except (KeyError, ValueError) as error:
        raise invalid("cursor", "is not one that Roost gave out") from error


def _shown(kind: Kind, change: _Change) -> bytes:
    before, after = (
        None if text == "null" else text
        for text in (bytes(change.before).decode(), bytes(change.after).decode())
    )
    patch = Raw(patch_text(before, after).encode())
    shown = {"kind": kind.name, "id": change.id, "change": change.change, "patch": patch}
    return msgspec.json.encode(shown)
