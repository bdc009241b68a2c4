"""A run's timeline: its steps, its events, its task's messages and changes, in one order."""

from collections import deque
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Raw
from sqlalchemy import BigInteger, Integer

from roost import errors
from roost.executions.merging import Source, merge
from roost.executions.timeline_queries import TIMELINE
from roost.executions.timeline_window import PLACES
from roost.executions.viewing_model import TimelineQuery
from roost.history.patches import patch_text
from roost.history.versions import OPS
from roost.web.endpoint import Call
from roost.web.kit import Kit, found
from roost.web.paging import SortKey, decode_cursor, encode_cursor
from roost.web.query import invalid
from roost.web.reply import Reply

EVENTS_AT_ONCE: Final = 100
"""Entries of the run itself that are read at once: most are heartbeats, which are not shown."""
MOST_READS: Final = 10
"""Reads for a page, which ends early where there are heartbeats only for long."""
_ORDER: Final = (SortKey("timeline", descending=False),)
_LARGEST: Final[dict[Any, int]] = {Integer: 2**31 - 1, BigInteger: 2**63 - 1}
_RANKS: Final = {"events": "event_after", "changes": "change_after",
                 "messages": "message_after", "steps": "step_after"}  # fmt: skip
"""The sources, of what happened at the same time the first one's first, and their places."""
_NULL: Final = b"null"


class _Item(msgspec.Struct):
    place: int
    time: int
    item: Raw
    silent: bool = False
    passed: bool = False
    before: Raw = Raw(_NULL)
    after: Raw = Raw(_NULL)

    def __post_init__(self) -> None:
        """Let what is of another time hold nothing up."""
        if self.passed:
            self.silent, self.time = True, 0

    def text(self) -> str:
        """Write it as it goes out."""
        written = bytes(self.item).decode()
        before, after = (
            None if text == _NULL else text.decode()
            for text in (bytes(self.before), bytes(self.after))
        )
        if before is None and after is None:
            return written
        line = msgspec.json.decode(self.item)
        change = line["taskChange"]
        change["op"] = OPS[change["op"]]
        change["patch"] = Raw(patch_text(before, after).encode())
        return msgspec.json.encode(line).decode()


async def timeline_page(kit: Kit, call: Call) -> Reply:
    """Answer a page; EXECUTION_NOT_FOUND."""
    query: TimelineQuery = call.query
    places = _read_cursor(query.cursor)
    items: list[_Item] = []
    is_over, since = False, None
    for _ in range(MOST_READS):
        room = query.limit - len(items)
        sources, since = await _read(kit, call, places, room)
        items += merge(list(sources.values()), room)
        places |= {_RANKS[name]: source.place for name, source in sources.items()}
        is_over = all(source.is_over for source in sources.values())
        if is_over or len(items) == query.limit:
            break
    following = None
    if not is_over:
        following = encode_cursor(_ORDER, [_written(places[name]) for name in PLACES])
    return kit.conditional(call, _reply(items, query.limit, following, since))


async def _read(
    kit: Kit, call: Call, places: dict[str, int | None], room: int
) -> tuple[dict[str, Source[_Item]], str | None]:
    """Read on from all places, one item more than there is room for; notes where the run ends."""
    execution_id: UUID = call.id()
    read = await kit.read(
        call,
        TIMELINE,
        execution=execution_id,
        limit=room + 1,
        most_events=EVENTS_AT_ONCE,
        **places,
    )
    row = found(read, errors.EXECUTION_NOT_FOUND)
    if row["is_settled"]:
        places |= {name: row[name] for name in ("message_last", "change_last")}
    sources = {}
    for name, place in _RANKS.items():
        most = EVENTS_AT_ONCE if name == "events" else room + 1
        items = msgspec.json.decode(row[name], type=list[_Item])
        sources[name] = Source(row[place], deque(items), len(items) == most)
    return sources, row["changes_since"]


def _reply(items: list[_Item], limit: int, following: str | None, since: str | None) -> Reply:
    # To count what there is would be to read it all.
    pagination = {
        "page": None,
        "limit": limit,
        "total": None,
        "totalIsExact": False,
        "totalPages": None,
        "nextCursor": following,
    }
    rest = msgspec.json.encode({"pagination": pagination, "changesSince": since})
    data = ",".join(item.text() for item in items).encode()
    return Reply(b'{"data":[%b],%b' % (data, rest[1:]))


def _written(place: int | None) -> str | None:
    return None if place is None else str(place)


def _read_cursor(cursor: str | None) -> dict[str, int | None]:
    if cursor is None:
        return dict.fromkeys(PLACES)
    values = decode_cursor(_ORDER, cursor, len(PLACES))
    return {
        name: _place(value, _LARGEST[kind])
        for (name, kind), value in zip(PLACES.items(), values, strict=True)
    }


def _place(text: str | None, largest: int) -> int | None:
    if text is None:
        return None
    try:
        place = int(text)
    except ValueError:
        place = largest + 1
    if not -1 <= place <= largest:
        raise invalid("cursor", "is not one that Roost gave out")
    return place
