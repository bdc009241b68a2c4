"""The versions of one thing: its entries in the journal, newest first, with what each changed."""

from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Raw
from sqlalchemy import Table

from roost.errors import Entry, ProblemError
from roost.history.kinds import Kind
from roost.history.moments import Moment
from roost.history.patches import patch_text
from roost.history.version_queries import page_of_versions, place_of_insert, place_of_version
from roost.web.endpoint import Call
from roost.web.kit import Kit
from roost.web.paging import (
    PageQuery,
    SortKey,
    decode_cursor,
    encode_cursor,
    page_reply,
)
from roost.web.query import invalid
from roost.web.reply import Reply

_ORDER: Final = (SortKey("entry", descending=True),)
_NEWEST: Final = 2**63 - 1
OPS: Final = {"I": "created", "U": "changed", "D": "deleted"}


class _Version(msgspec.Struct, rename="camel"):
    """An entry as the statement writes it; before and after are documents."""

    seq: int
    op: str
    at: Raw
    tick: int | None
    actor_id: UUID | None
    cause: str | None
    version: int
    before: Raw
    after: Raw


async def version_page(kit: Kit, call: Call, kind: Kind, row: UUID, missing: Entry) -> Reply:
    """Answer a page of a row's versions; the problem `missing` when there never was such a row."""
    query: PageQuery = call.query
    before = _NEWEST
    if query.cursor is not None:
        if query.page is not None:
            raise invalid("cursor", "can't go with page", "conflict")
        before = _seq(decode_cursor(_ORDER, query.cursor, 1)[0])
    offset = 0 if query.cursor is not None else ((query.page or 1) - 1) * query.limit
    found = await kit.read(
        call, page_of_versions(kind), row=row, before=before, limit=query.limit, offset=offset
    )
    if not found["total"] and found["live"] is None:
        raise ProblemError(missing)
    versions = msgspec.json.decode(found["items"], type=list[_Version])
    following = None
    if len(versions) > query.limit:
        versions.pop()
        following = encode_cursor(_ORDER, [str(versions[-1].seq)])
    items = "[" + ",".join(map(_shown, versions)) + "]"
    by_cursor = query.cursor is not None
    reply = page_reply(items, query, found["total"], following, by_cursor=by_cursor)
    return kit.conditional(call, reply)


def _seq(text: str | None) -> int:
    if text is None or not text.isdecimal() or len(text) > len(str(_NEWEST)) - 1:
        raise invalid("cursor", "is not one that Roost gave out")
    return int(text)


def _shown(version: _Version) -> str:
    before, after = (
        None if text == "null" else text
        for text in (bytes(version.before).decode(), bytes(version.after).decode())
    )
    shown = {
        "version": version.version,
        "op": OPS[version.op],
        "at": version.at,
        "tick": version.tick,
        "actorId": version.actor_id,
        "cause": version.cause,
        "patch": Raw(patch_text(before, after).encode()),
    }
    return msgspec.json.encode(shown).decode()


async def moment_of_version(
    kit: Kit, call: Call, kind: Kind, row: UUID, version: int
) -> Moment | None:
    """Find the moment at which a row got a version, to read that row alone; None if it never had.

    Its tick is the first that sees the version, BEGINNING when there is none yet.
    """
    found = await kit.read(call, place_of_version(kind), row=row, version=version)
    return None if found is None else _moment(found)


async def moment_of_insert(kit: Kit, call: Call, table: Table, row: UUID) -> Moment | None:
    """Find the moment at which a row was made, likewise; None when that is not kept any more."""
    found = await kit.read(call, place_of_insert(table), row=row)
    return None if found is None else _moment(found)


def _moment(found: Any) -> Moment:  # noqa: ANN401 -- a record
    return Moment(found["tick"] or 0, None, found["snapshot"], found["seq"])
