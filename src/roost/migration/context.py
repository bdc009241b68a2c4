"""What the mappings share while one dump is parsed."""

from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from roost.migration import ids, reader
from roost.migration.drafts import Warn
from roost.migration.model import Kind
from roost.migration.octets import Octets

Raw = Octets
Instead = Mapping[Kind, Mapping[str, str]]
"""By kind: the id that takes the place of a source's own UUID."""


class Identity(msgspec.Struct, gc=False):
    """Which row an item is: `duplicate` when an equal one was found before it."""

    target_id: str
    source_id: str | None
    duplicate: bool = False
    warning: Warn | None = None


def _folded(name: str) -> str:
    """A name as it is compared: addresses and ids are written in small and capital letters."""
    return name.strip().casefold()


class Context:
    """One parse: whose data it is, when it came, and which ids are taken by it."""

    def __init__(
        self,
        owner: UUID,
        imported_at: datetime,
        aliases: frozenset[str],
        instead: Instead | None = None,
    ) -> None:
        """`aliases` are what the source may call the owner (ids, log-in names, addresses).

        `instead` gives the ids of rows whose own id somebody else's row has already.
        """
        self.owner = owner
        self.imported_at = imported_at
        self._aliases = {_folded(each) for each in (*aliases, str(owner))}
        self.environment_ids: dict[str, str] = {}
        self._instead = instead or {}
        self._taken: dict[Kind, dict[str, Raw]] = {}
        self._hashes: dict[tuple[Kind, str], bytes] = {}
        self._without_id: dict[tuple[str, bytes], int] = {}

    def is_foreign(self, value: object) -> bool:
        """Whether `value`, a row's user id, is somebody else's."""
        if value is None or value == "":
            return False
        text = value if type(value) is str else str(ids.legacy_text(value))
        return _folded(text) not in self._aliases

    def has(self, kind: Kind, target_id: str) -> bool:
        """Whether an item of this kind has got that target id."""
        return target_id in self._taken.get(kind, ())

    def target(self, kind: Kind, key: str, source_id: object) -> str:
        """The row's id for a source's: the same when it is a UUID and free."""
        own = ids.own_uuid(source_id)
        if own is None:
            return ids.legacy(self.owner, key, source_id)
        return self._instead.get(kind, {}).get(own, own)

    def identify(
        self, kind: Kind, key: str, source_id: object, value: object, raw: Raw
    ) -> Identity:
        """The row that `value` (read from `raw`) is to be, the same at every parse.

        The second of two equals with one id is a duplicate; two different ones with one id
        get two rows.
        """
        if source_id is None or (type(source_id) is str and not source_id.strip()):
            return self._identify_by_content(kind, key, value, raw)
        shown = ids.legacy_text(source_id)
        target = self.target(kind, key, source_id)
        taken = self._taken.setdefault(kind, {})
        first = taken.get(target)
        if first is None:
            taken[target] = raw
            return Identity(target, shown)
        content = ids.content_hash(value)
        if self._hash_of_first(kind, target, first) == content:
            return Identity(target, shown, duplicate=True)
        other = ids.legacy(self.owner, key, [source_id, content.hex()])
        if other in taken:
            return Identity(other, shown, duplicate=True)
        taken[other] = raw
        return Identity(
            other,
            shown,
            warning=Warn("DUPLICATE_ID", "id", "came more than once, with other content"),
        )

    def _hash_of_first(self, kind: Kind, target: str, first: Raw) -> bytes:
        """Read the first again, once, however many twins it has."""
        known = self._hashes.get((kind, target))
        if known is None:
            known = ids.content_hash(reader.read(bytes(first))[0])
            self._hashes[kind, target] = known
        return known

    def _identify_by_content(self, kind: Kind, key: str, value: object, raw: Raw) -> Identity:
        place = (key, ids.content_hash(value))
        occurrence = self._without_id.get(place, 0)
        self._without_id[place] = occurrence + 1
        target = ids.by_content(self.owner, key, value, occurrence)
        self._taken.setdefault(kind, {})[target] = raw
        return Identity(target, None, warning=Warn("ID_MISSING", "id"))


#: Looks at the JSON text of an item and says what the owner should know of it.
Inspection = Callable[[bytes], tuple[Warn, ...]]
