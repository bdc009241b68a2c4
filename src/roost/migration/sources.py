"""Files that hold a browser's localStorage, as one dump: raw strings by key.

Known forms: the module's export `{origin, capturedAt, keys}`, a plain object `{key: raw}`,
Playwright's storage state, and objects with a `localStorage` member, as debugging tools save.
"""

import codecs
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import msgspec

from roost.migration import dates
from roost.migration.octets import PART, Octets, first_octet, octet, unescape, unescaped, utf8, view
from roost.migration.reader import MalformedError, read, read_string
from roost.migration.salvage import Entry, Split, split
from roost.migration.text import redact

_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_EXPORT_HINT: Final = (
    "Export it again with the snippet of the migration page, or give a JSON object of"
    " localStorage keys and their raw strings."
)
_HOLDERS: Final = ("keys", "localStorage")


class SourceError(Exception):
    """The file holds no dump: why not, and what to do."""

    def __init__(self, message: str, hint: str = _EXPORT_HINT) -> None:
        """Keep the hint apart from the message, which may name keys."""
        self.message = redact(message)
        super().__init__(self.message)
        self.hint = hint


class Dump(msgspec.Struct):
    """A localStorage as it was: each raw string as UTF-8, with lone surrogates passed through."""

    keys: dict[str, Octets]
    origin: str | None = None
    captured_at: datetime | None = None


def of_strings(
    keys: dict[str, str], origin: str | None = None, captured_at: datetime | None = None
) -> Dump:
    """A dump of strings that were received as such."""
    return Dump({key: utf8(raw) for key, raw in keys.items()}, origin, captured_at)


def read_dump(
    content: bytes | bytearray,
    *,
    origin: str | None = None,
    now: datetime,
    keep: bool = True,
) -> Dump:
    """The dump in a file's bytes; `origin` chooses where a file has several. Raises SourceError.

    A bytearray is used up: the raw strings are views into it, where they were unescaped. Without
    `keep` everything is checked, and the strings are left out.
    """
    reading = _Reading(keep=keep, in_place=isinstance(content, bytearray))
    members = _members(_as_utf8(content), "The file")
    if "origins" in members and not _is_string(members["origins"]):
        return reading.of_storage_state(members["origins"], origin)
    holder = next((name for name in _HOLDERS if _is_container(members.get(name))), None)
    if holder is not None:
        found = _optional_text(members, "origin")
        moment, _ = dates.parse(_optional_text(members, "capturedAt"), now)
        return Dump(reading.of_holder(members[holder], holder), found, moment)
    _refuse_lookalikes(members)
    return Dump({key: reading.string(entry, f'"{key}"') for key, entry in members.items()})


class _Reading:
    """Reads raw strings: into memory of their own, or where they stand."""

    def __init__(self, *, keep: bool, in_place: bool) -> None:
        self._keep = keep
        self._in_place = in_place

    def of_holder(self, entry: Entry, name: str) -> dict[str, Octets]:
        """Keys as an object of strings, or as a list of `{name, value}`."""
        raw = view(entry.raw)
        if octet(raw) == b"[":
            return self._of_pairs(raw, f'"{name}"')
        members = _members(raw, f'"{name}"')
        return {key: self.string(each, f'"{key}"') for key, each in members.items()}

    def _of_pairs(self, raw: memoryview, what: str) -> dict[str, Octets]:
        keys: dict[str, Octets] = {}
        for part in _elements(raw, what):
            if octet(part) != b"{":
                message = f"{what} holds something other than {{name, value}}."
                raise SourceError(message)
            pair = _members(part, f"an entry of {what}")
            name = pair.get("name") or pair.get("key")
            if name is None or "value" not in pair:
                message = f"An entry of {what} has no name or no value."
                raise SourceError(message)
            key = _text(name, "a name")
            if key in keys:
                message = f'{what} has the key "{key[:100]}" twice; one of them would be lost.'
                raise SourceError(message, "Rename one of them in the file and try again.")
            keys[key] = self.string(pair["value"], f'"{key}"')
        return keys

    def of_storage_state(self, entry: Entry, wanted: str | None) -> Dump:
        """Playwright's `{"cookies": […], "origins": [{"origin", "localStorage"}]}`."""
        if octet(entry.raw) != b"[":
            message = '"origins" is no list.'
            raise SourceError(message)
        found: dict[str, Entry] = {}
        for part in _elements(view(entry.raw), '"origins"'):
            members = _members(part, "an origin")
            if "localStorage" in members:
                found[_optional_text(members, "origin") or ""] = members["localStorage"]
        name = _chosen(list(found), wanted)
        return Dump(self.of_holder(found[name], "localStorage"), name or None)

    def string(self, entry: Entry, what: str) -> Octets:
        """A raw string's text."""
        raw = view(entry.raw)
        _require_string(raw, entry, what)
        try:
            if self._keep:
                return unescape(raw, read_string, raw if self._in_place else None)
            for _ in unescaped(raw, read_string):
                pass
        except ValueError:
            raise _no_string(entry, what) from None
        return b""


def _as_utf8(content: bytes | bytearray) -> memoryview:
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            if encoding == "utf-8":
                return memoryview(content)[len(mark) :]
            return memoryview(_decoded(content[len(mark) :], encoding))
    _require_utf8(content)
    return memoryview(content)


def _decoded(body: bytes | bytearray, encoding: str) -> bytearray:
    try:
        return bytearray(body.decode(encoding, "surrogatepass").encode("utf-8", "surrogatepass"))
    except UnicodeDecodeError as error:
        message = f"The file is no {encoding.upper()} text at byte {error.start}."
        raise SourceError(message) from None


def _require_utf8(content: bytes | bytearray) -> None:
    start = 0
    while start < len(content):
        stop = min(start + PART, len(content))
        while stop < len(content) and content[stop] & 0xC0 == 0x80:  # noqa: PLR2004 -- a later byte
            stop += 1
        try:
            bytes(content[start:stop]).decode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            message = f"The file is no UTF-8 text at byte {start + error.start}."
            hint = "Save it as UTF-8; a browser's profile is no export."
            raise SourceError(message, hint) from None
        start = stop


def _members(raw: memoryview, what: str) -> dict[str, Entry]:
    taken = split(raw)
    if taken.form == "other":
        if not first_octet(raw):
            message = f"{what} is empty."
        elif first_octet(raw) == b"<":
            message = f"{what} is a web page, not JSON."
        else:
            message = f"{what} is no JSON object."
        raise SourceError(message)
    if taken.form == "array":
        message = f"{what} is a JSON list; an object of keys was expected."
        raise SourceError(
            message, 'If this is the value of one key, wrap it: {"<key>": "<raw string>"}.'
        )
    _check_whole(taken, what)
    members: dict[str, Entry] = {}
    for entry in taken.entries:
        name = entry.name or ""
        if name in members:
            message = f'{what} has the key "{name[:100]}" twice; one of them would be lost.'
            raise SourceError(message, "Rename one of them in the file and try again.")
        members[name] = entry
    return members


def _elements(raw: memoryview, what: str) -> list[memoryview]:
    """A list's elements, as views of the list itself."""
    taken = split(raw)
    _check_whole(taken, what)
    return [raw[each.offset : each.offset + len(view(each.raw))] for each in taken.entries]


def _check_whole(taken: Split, what: str) -> None:
    if taken.rest is not None:
        ended = taken.rest_reason == "TRUNCATED"
        why = "ends too early" if ended else "is no valid JSON"
        message = f"{what} {why}, at byte {taken.rest.offset}."
        raise SourceError(message)
    cut = next((entry for entry in taken.entries if not entry.whole), None)
    if cut is not None:
        name = f' in the key "{cut.name[:100]}"' if cut.name else ""
        message = f"{what} ends too early{name}: the value at byte {cut.offset} is not closed."
        raise SourceError(message)


def _is_container(entry: Entry | None) -> bool:
    return entry is not None and octet(entry.raw) in (b"{", b"[")


def _is_string(entry: Entry) -> bool:
    return octet(entry.raw) == b'"'


def _chosen(origins: Iterable[str], wanted: str | None) -> str:
    names = sorted(origins)
    listed = ", ".join(name[:200] for name in names[:20]) or "none"
    if wanted is not None:
        if wanted in names:
            return wanted
        message = f"The file has nothing of {wanted}."
        raise SourceError(message, f"It has: {listed}.")
    if len(names) == 1:
        return names[0]
    message = f"The file has {len(names)} origins: {listed}."
    hint = "Choose one with --origin." if names else "Save the storage state of a page with data."
    raise SourceError(message, hint)


def _refuse_lookalikes(members: dict[str, Entry]) -> None:
    if _is_container(members.get("log")):
        message = "This is a HAR file: it records requests and holds no localStorage."
        raise SourceError(message)
    state = members.get("state")
    if state is not None and not _is_string(state) and members.keys() <= {"state", "version"}:
        message = "This is the value of one key, not a whole localStorage."
        raise SourceError(
            message, 'Wrap it: {"<key, like task-store>": "<this text as a string>"}.'
        )
    if not members:
        message = "The file holds an empty object: there is nothing to migrate."
        raise SourceError(message, "Export on the page of the app, at the address it is used at.")


def _require_string(raw: memoryview, entry: Entry, what: str) -> None:
    if octet(raw) != b'"':
        message = f"The value of {what[:120]} is no string (byte {entry.offset})."
        raise SourceError(
            message,
            "Values travel as the raw strings of localStorage, unparsed; export them that way.",
        )


def _no_string(entry: Entry, what: str) -> SourceError:
    return SourceError(f"The value of {what[:120]} is no valid JSON string (byte {entry.offset}).")


def _text(entry: Entry, what: str) -> str:
    """A short string, such as a key's name."""
    raw = view(entry.raw)
    _require_string(raw, entry, what)
    try:
        return utf8(read_string(bytes(raw))).decode("utf-8", "surrogatepass")
    except ValueError:
        raise _no_string(entry, what) from None


def _optional_text(members: dict[str, Entry], name: str) -> str | None:
    entry = members.get(name)
    if entry is None:
        return None
    try:
        value: Any = read(bytes(entry.raw))[0]
    except MalformedError:
        return None
    return value[:2000] if type(value) is str else None
