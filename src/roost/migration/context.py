"""What the mappings share while one dump is parsed."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from roost.migration import ids, reader
from roost.migration.drafts import Warn
from roost.migration.model import Kind
from roost.migration.octets import Octets

Raw = Octets
Instead = Mapping[Kind, Mapping[tuple[str, str], str]]
"""By kind: the id that takes the place of a source's own UUID under a key."""


class Known(msgspec.Struct, frozen=True):
    """What is known before a dump is parsed.

    `aliases` are what the source may call the owner (ids, log-in names, addresses). `instead` gives
    the ids of rows whose own id another row has already. `environments` are rows that the owner has
    of earlier, by the ids that sources give them. `opens` says whether a sealed secret can be
    opened here.
    """

    aliases: frozenset[str] = frozenset()
    instead: Instead = {}
    environments: Mapping[str, str] = {}
    opens: Callable[[bytes], bool] = bool


class Identity(msgspec.Struct, gc=False):
    """Which row an item is: `duplicate` when an equal one was found before it."""

    target_id: str
    source_id: str | None
    duplicate: bool = False
    warning: Warn | None = None


def _folded(name: str) -> str:
    """A name as it is compared: addresses and ids are written in small and capital letters."""
    return name.strip().casefold()


_encode: Final = msgspec.json.Encoder().encode


class _First(NamedTuple):
    """What was first of an id: its row, and where it came."""

    target_id: str
    key: str
    raw: Raw


_AGAIN: Final = Warn("DUPLICATE_ID", "id", "came more than once, with other content")


class Context:
    """One parse: whose data it is, when it came, and which ids are taken by it."""

    def __init__(self, owner: UUID, imported_at: datetime, known: Known) -> None:
        """Nothing is taken yet."""
        self.owner = owner
        self.imported_at = imported_at
        self._known = known
        self.opens = known.opens
        self._aliases = {_folded(each) for each in (*known.aliases, str(owner))}
        self._environments: dict[str, str] = {}
        self._taken: dict[Kind, dict[str, _First]] = {}
        self._hashes: dict[tuple[Kind, str], bytes] = {}
        self._without_id: dict[tuple[str, bytes], int] = {}

    def is_foreign(self, value: object) -> bool:
        """Whether `value`, a row's user id, is somebody else's."""
        if value is None or value == "":
            return False
        text = value if type(value) is str else str(ids.legacy_text(value))
        return _folded(text) not in self._aliases

    def add_environment(self, source_id: object, target_id: str) -> None:
        """Say which row an environment of this dump is; of two with one id, the first."""
        self._environments.setdefault(str(source_id), target_id)

    def environment(self, source_id: object) -> str | None:
        """The row of the environment that a source names: of this dump, or of an earlier one."""
        name = str(source_id)
        return self._environments.get(name) or self._known.environments.get(name)

    def holds(self, kind: Kind, key: str, source_id: object, value: object) -> bool:
        """Whether an item of this kind and content has come, under that key if it has no UUID."""
        content = ids.content_hash(value)
        if source_id is None:
            return ids.by_content(self.owner, key, value, 0) in self._taken.get(kind, ())
        own = ids.own_uuid(source_id)
        places = (own, *self._places(key, source_id, content))
        return any(each is not None and self._is(kind, each, content) for each in places)

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
        taken = self._taken.setdefault(kind, {})
        own = ids.own_uuid(source_id)
        place = own or ids.legacy(self.owner, key, source_id)
        first = taken.get(place)
        if first is None:
            instead = self._known.instead.get(kind)
            target = instead.get((key, place), place) if instead else place
            taken[place] = _First(target, key, raw)
            return Identity(target, shown)
        content = ids.content_hash(value)
        if self._is(kind, place, content):
            return Identity(first.target_id, shown, duplicate=True)
        places = self._places(key, source_id, content)
        # Under another key it gets the id that it has when its key comes alone.
        for other in places if own is not None and first.key != key else places[1:]:
            if other not in taken:
                taken[other] = _First(other, key, raw)
                return Identity(other, shown, warning=_AGAIN)
            if self._is(kind, other, content):
                break
        return Identity(other, shown, duplicate=True)

    def claim(self, kind: Kind, name: str, value: object) -> Identity:
        """The one place that a name of the user's has: whoever comes second is no other."""
        return self.identify(kind, kind.value, [name], value, _encode(value))

    def _places(self, key: str, source_id: object, content: bytes) -> tuple[str, str]:
        """The ids that what is not the first of its own id may get."""
        return (
            ids.legacy(self.owner, key, source_id),
            ids.legacy(self.owner, key, [source_id, content.hex()]),
        )

    def _is(self, kind: Kind, place: str, content: bytes) -> bool:
        """Whether what was first of an id has that content; it is read again once at most."""
        first = self._taken.get(kind, {}).get(place)
        if first is None:
            return False
        known = self._hashes.get((kind, place))
        if known is None:
            known = ids.content_hash(reader.read(bytes(first.raw))[0])
            self._hashes[kind, place] = known
        return known == content

    def _identify_by_content(self, kind: Kind, key: str, value: object, raw: Raw) -> Identity:
        place = (key, ids.content_hash(value))
        occurrence = self._without_id.get(place, 0)
        self._without_id[place] = occurrence + 1
        target = ids.by_content(self.owner, key, value, occurrence)
        self._taken.setdefault(kind, {})[target] = _First(target, key, raw)
        return Identity(target, None, warning=Warn("ID_MISSING", "id"))


#: Looks at the JSON text of an item and says what the owner should know of it.
Inspection = Callable[[bytes], tuple[Warn, ...]]
