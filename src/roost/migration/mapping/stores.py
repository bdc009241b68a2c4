"""The list inside a store's value, in whichever envelope it lies.

`{"state": {"tasks": […]}, "version": 0}` as zustand writes it; without version, without state,
as a bare list, as a map by id, encoded over again, cut off in the middle.
"""

from typing import Final

import msgspec

from roost.migration.drafts import Warn
from roost.migration.octets import Octets, octet, stripped, view
from roost.migration.reader import MalformedError, read
from roost.migration.salvage import Entry, Split, split, unwrap
from roost.migration.text import safe

EMPTY: Final = "EMPTY"
# What an object becomes when it is stored without JSON.stringify; begins like a list.
_OBJECT_TEXT: Final = b"[object Object]"
_NOTHING: Final = frozenset({b"", b"null", b'""', b'"null"'})


class Element(msgspec.Struct, gc=False):
    """One member of the list: `label` is its name where the list was a map."""

    raw: Octets
    offset: int
    label: str | None = None


class Broken(msgspec.Struct):
    """A part that could not be read: it is quarantined."""

    field: str | None
    reason: str
    raw: bytes
    offset: int
    position: int | None = None


class Leftover(msgspec.Struct):
    """Something beside the list: it is kept as a document."""

    field: str
    raw: bytes
    offset: int


class Store(msgspec.Struct):
    """What a store's value holds; `where` is the list's path."""

    where: str = ""
    elements: list[Element] = []
    broken: list[Broken] = []
    leftovers: list[Leftover] = []
    warnings: list[Warn] = []
    note: str | None = None
    version: str | None = None


class _Part(msgspec.Struct):
    """A text within the value: where it begins, and how it is reached."""

    raw: Octets
    base: int
    path: str
    whole: bool = True

    def inside(self, entry: Entry) -> "_Part":
        # A dot in a name must not make two paths one: they become ids of documents.
        name = (entry.name or "").replace("\\", "\\\\").replace(".", "\\.")
        path = f"{self.path}.{name}" if self.path else name
        return _Part(view(entry.raw), self.base + entry.offset, path, entry.whole)


def open_store(raw: Octets, names: tuple[str, ...]) -> Store:
    """Find the list of one of `names` in the value `raw`; never raises."""
    store = Store()
    part = _unwrapped(store, _Part(raw, 0, ""))
    taken = split(part.raw)
    if stripped(part.raw) == _OBJECT_TEXT:
        _quarantine(store, part, "NOT_JSON")
    elif taken.form == "array":
        store.warnings.append(Warn("BARE_ARRAY"))
        _take_elements(store, part, taken)
    elif taken.form == "object":
        _open_envelope(store, part, taken, names)
    elif stripped(part.raw) not in _NOTHING:
        _quarantine(store, part, _why_no_store(bytes(part.raw)))
    if not store.elements and not store.broken and not store.leftovers:
        store.note = EMPTY
    return store


def _open_envelope(store: Store, part: _Part, taken: Split, names: tuple[str, ...]) -> None:
    members = _members(store, part, taken)
    version = members.pop("version", None)
    if version is not None and version.whole:
        store.version = safe(bytes(view(version.raw)[:40]).decode("utf-8", "replace"))[0]
    elif version is not None:
        _quarantine(store, part.inside(version), "TRUNCATED")
    state = members.pop("state", None)
    if state is None:
        _open_holder(store, part, members, names)
        return
    for entry in members.values():
        _keep(store, part.inside(entry))
    inner = _unwrapped(store, part.inside(state))
    held = split(inner.raw)
    if held.form == "array":
        store.warnings.append(Warn("BARE_ARRAY", inner.path))
        _take_elements(store, inner, held)
    elif held.form == "object":
        _open_holder(store, inner, _members(store, inner, held), names)
    elif stripped(inner.raw) not in _NOTHING or not inner.whole:
        _quarantine(store, inner, "TRUNCATED" if not inner.whole else "NOT_A_STORE")


def _open_holder(
    store: Store, part: _Part, members: dict[str, Entry], names: tuple[str, ...]
) -> None:
    """Take the list out of the object that should hold it; keep what lies beside it."""
    name = next((each for each in names if each in members), None)
    if name is not None:
        _take_list(store, part.inside(members.pop(name)))
    elif not part.path and members and _is_map(members):
        store.warnings.append(Warn("OBJECT_MAP"))
        for label, entry in members.items():
            _take_element(store, part, entry, label)
        return
    elif not part.path and ("id" in members or "title" in members):
        _take_single(store, part, members)
        return
    for entry in members.values():
        _keep(store, part.inside(entry))


def _take_single(store: Store, part: _Part, members: dict[str, Entry]) -> None:
    """The value is one item by itself."""
    store.warnings.append(Warn("SINGLE_ITEM"))
    if store.broken or not all(entry.whole for entry in members.values()):
        store.broken = []
        _quarantine(store, part, "TRUNCATED")
    else:
        store.elements.append(Element(part.raw, part.base))


def _take_list(store: Store, part: _Part) -> None:
    store.where = part.path
    part = _unwrapped(store, part)
    taken = split(part.raw)
    if taken.form == "array":
        _take_elements(store, part, taken)
    elif taken.form == "object":
        store.warnings.append(Warn("OBJECT_MAP", part.path))
        for label, entry in _members(store, part, taken).items():
            _take_element(store, part, entry, label)
    elif stripped(part.raw) not in _NOTHING or not part.whole:
        _quarantine(store, part, "TRUNCATED" if not part.whole else "NOT_A_LIST")


def _take_elements(store: Store, part: _Part, taken: Split) -> None:
    for entry in taken.entries:
        _take_element(store, part, entry, None)
    _take_rest(store, part, taken)


def _take_element(store: Store, part: _Part, entry: Entry, label: str | None) -> None:
    offset = part.base + entry.offset
    if entry.whole:
        store.elements.append(Element(entry.raw, offset, label))
    else:
        position = len(store.elements)
        store.broken.append(
            Broken(part.path or None, "TRUNCATED", bytes(entry.raw), offset, position)
        )


def _take_rest(store: Store, part: _Part, taken: Split) -> None:
    if taken.rest is not None:
        offset = part.base + taken.rest.offset
        reason = taken.rest_reason or "NOT_JSON"
        store.broken.append(Broken(part.path or None, reason, bytes(taken.rest.raw), offset))


def _members(store: Store, part: _Part, taken: Split) -> dict[str, Entry]:
    """Members by name: of two with one name the last counts, as in the browser."""
    members: dict[str, Entry] = {}
    for entry in taken.entries:
        # Two names may become one here; then the earlier member is quarantined, not lost.
        name = entry.name = safe(entry.name or "")[0]
        if name in members:
            earlier = part.inside(members[name])
            raw = bytes(earlier.raw)
            store.broken.append(Broken(earlier.path, "DUPLICATE_KEY", raw, earlier.base))
        members[name] = entry
    _take_rest(store, part, taken)
    return members


def _keep(store: Store, part: _Part) -> None:
    if part.whole:
        store.leftovers.append(Leftover(part.path, bytes(part.raw), part.base))
    else:
        _quarantine(store, part, "TRUNCATED")


def _quarantine(store: Store, part: _Part, reason: str) -> None:
    store.broken.append(Broken(part.path or None, reason, bytes(part.raw), part.base))


def _unwrapped(store: Store, part: _Part) -> _Part:
    inner = unwrap(part.raw)
    if not inner.layers:
        return part
    detail = f"{inner.layers} times; offsets count in the decoded text"
    store.warnings.append(Warn("ENCODED_AGAIN", part.path or None, detail))
    if not inner.whole and part.whole:
        # The cut shows in the decoded text too, except right behind its last bracket.
        whole = split(inner.raw)
        if whole.form != "other" and whole.rest is None and all(e.whole for e in whole.entries):
            store.broken.append(Broken(part.path or None, "TRUNCATED", b"", len(view(part.raw))))
    return _Part(inner.raw, 0, part.path, part.whole)


def _why_no_store(raw: bytes) -> str:
    try:
        read(raw)
    except MalformedError:
        return "NOT_JSON"
    return "NOT_A_STORE"


def _is_map(members: dict[str, Entry]) -> bool:
    return all(octet(entry.raw) == b"{" for entry in members.values())
