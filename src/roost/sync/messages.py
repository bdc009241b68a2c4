"""The messages of a shape, as JSON."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from roost.sync.catalog import Relation
from roost.sync.definition import Definition
from roost.sync.identifiers import quoted
from roost.sync.intervals import iso, iso_array
from roost.sync.offsets import Offset

Values = Mapping[str, str | None]
"""A row: each column's text, None for null."""
encode: Final = msgspec.json.Encoder().encode
_XID_BITS: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a shape's log."""

    offset: Offset
    body: bytes


def _part(name: str) -> str:
    return quoted(name).replace(".", "..").replace("/", "//")


def key_prefix(relation: Relation) -> str:
    """What all keys of a table begin with."""
    return f"{_part(relation.schema)}.{_part(relation.name)}"


def key_of(relation: Relation, values: Values) -> str:
    """The key of a row: the same in the snapshot, in the log and in subsets."""
    parts = [key_prefix(relation)]
    for name in relation.key:
        value = values[name]
        parts.append("_" if value is None else f'"{value.replace("/", "//")}"')
    return "/".join(parts)


def joined(messages: Iterable[bytes]) -> bytes:
    """Messages as one JSON array."""
    return b"[" + b",".join(messages) + b"]"


def up_to_date(lsn: int) -> bytes:
    """Nothing up to `lsn` will come any more."""
    headers = {"control": "up-to-date", "global_last_seen_lsn": str(lsn)}
    return encode({"headers": headers})


def snapshot_end(snapshot: "SnapshotId") -> bytes:
    """What the rows before it were read in."""
    return encode({"headers": {"control": "snapshot-end", **snapshot.fields()}})


@dataclass(frozen=True, slots=True)
class SnapshotId:
    """A `pg_snapshot`: which transactions it sees."""

    xmin: int
    xmax: int
    running: frozenset[int]

    @classmethod
    def of(cls, text: str) -> "SnapshotId":
        """Read PostgreSQL's text, `xmin:xmax:xid,xid`."""
        xmin, xmax, running = text.split(":")
        return cls(int(xmin), int(xmax), frozenset(map(int, filter(None, running.split(",")))))

    def sees(self, xid: int) -> bool:
        """Whether that transaction had ended when it was taken."""
        return xid < self.xmin or (xid < self.xmax and xid not in self.running)

    def fields(self) -> dict[str, Any]:
        """As clients are told it."""
        running = [str(xid) for xid in sorted(self.running)]
        return {"xmin": str(self.xmin), "xmax": str(self.xmax), "xip_list": running}


class Writer:
    """Writes the messages of one shape's log."""

    def __init__(self, definition: Definition) -> None:
        self._definition = definition
        self._relation = definition.relation
        self._names = [definition.relation.schema, definition.relation.name]
        self._selected = set(definition.columns)
        self._key = [name for name in definition.relation.key if name in self._selected]
        self._intervals = {
            column.name: iso_array if column.is_array or column.base == "_interval" else iso
            for column in definition.relation.columns
            if column.is_interval
        }

    def messages(self, old: Values | None, new: Values | None) -> list[dict[str, Any]]:
        """What clients are told of a row of the shape that was `old` and is `new`; None is outside.

        A row whose key is another, as in a table without one, goes and comes.
        """
        if self._intervals:
            old, new = self._with_intervals(old), self._with_intervals(new)
        if old is not None and new is not None:
            if key_of(self._relation, old) != key_of(self._relation, new):
                return [self.delete(old), self.insert(new)]
            update = self.update(old, new)
            return [] if update is None else [update]
        if new is not None:
            return [self.insert(new)]
        return [] if old is None else [self.delete(old)]

    def _with_intervals(self, row: Values | None) -> Values | None:
        if row is None:
            return None
        written = {
            name: write(text)
            for name, write in self._intervals.items()
            if (text := row.get(name)) is not None
        }
        return {**row, **written}

    def insert(self, new: Values) -> dict[str, Any]:
        """A row that has come into the shape."""
        return self._message("insert", new, self._chosen(new))

    def delete(self, old: Values) -> dict[str, Any]:
        """A row that has left it."""
        value = self._chosen(old) if self._definition.full else self._keys(old)
        return self._message("delete", old, value)

    def update(self, old: Values, new: Values) -> dict[str, Any] | None:
        """A row that stays; None when nothing that the shape shows has changed."""
        changed = [name for name in self._definition.columns if old[name] != new[name]]
        if not changed:
            return None
        if self._definition.full:
            message = self._message("update", new, self._chosen(new))
            return message | {"old_value": {name: old[name] for name in changed}}
        value = self._keys(new) | {name: new[name] for name in changed}
        return self._message("update", new, value)

    def _message(self, operation: str, row: Values, value: Any) -> dict[str, Any]:  # noqa: ANN401 -- JSON
        headers: dict[str, Any] = {"operation": operation, "relation": self._names}
        return {"key": key_of(self._relation, row), "value": value, "headers": headers}

    def _chosen(self, row: Values) -> dict[str, str | None]:
        return {name: row[name] for name in self._definition.columns}

    def _keys(self, row: Values) -> dict[str, str | None]:
        return {name: row[name] for name in self._key}


def numbered(messages: Sequence[tuple[int, dict[str, Any]]], xid: int, lsn: int) -> list[Entry]:
    """Give a transaction's messages their places: pairs of the operation's place and a message."""
    entries = []
    for at, (place, message) in enumerate(messages, 1):
        headers = message["headers"] | {
            "txids": [xid & _XID_BITS],
            "lsn": str(lsn),
            "op_position": place,
        }
        if at == len(messages):
            headers["last"] = True
        entries.append(Entry(Offset(lsn, place), encode(message | {"headers": headers})))
    return entries
