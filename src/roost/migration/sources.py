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
from roost.migration.reader import MalformedError, read, read_string
from roost.migration.salvage import Entry, Split, split

#: Larger files are refused: no browser lets a page keep so much.
MAX_BYTES: Final = 64 * 1024 * 1024

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
        """Keep the hint apart from the message."""
        super().__init__(message)
        self.message = message
        self.hint = hint


class Dump(msgspec.Struct):
    """A localStorage as it was: each raw string as UTF-8, with lone surrogates passed through."""

    keys: dict[str, bytes]
    origin: str | None = None
    captured_at: datetime | None = None


def of_strings(
    keys: dict[str, str], origin: str | None = None, captured_at: datetime | None = None
) -> Dump:
    """A dump of strings that were received as such."""
    return Dump({key: utf8(raw) for key, raw in keys.items()}, origin, captured_at)


def utf8(raw: str) -> bytes:
    """The bytes that a receipt's hash is made of: UTF-8, with lone surrogates passed through."""
    try:
        return raw.encode()
    except UnicodeEncodeError:
        # Two surrogates that came one by one may be one character.
        joined = raw.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        return joined.encode("utf-8", "surrogatepass")


def read_dump(content: bytes, *, origin: str | None = None, now: datetime) -> Dump:
    """The dump in a file's bytes; `origin` chooses where a file has several.

    Raises SourceError.
    """
    if len(content) > MAX_BYTES:
        message = f"The file has {len(content):,} bytes; at most {MAX_BYTES:,} are read."
        raise SourceError(message, "Leave caches out of the export, or export one app at a time.")
    members = _members(_as_utf8(content), "The file")
    if "origins" in members:
        return _of_storage_state(members["origins"], origin)
    holder = next((name for name in _HOLDERS if _is_container(members.get(name))), None)
    if holder is not None:
        found = _optional_text(members, "origin")
        moment, _ = dates.parse(_optional_text(members, "capturedAt"), now)
        return Dump(_of_holder(members[holder], holder), found, moment)
    _refuse_lookalikes(members)
    return Dump({key: _string(entry, f'"{key}"') for key, entry in members.items()})


def _as_utf8(content: bytes) -> bytes:
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            body = content[len(mark) :]
            if encoding == "utf-8":
                return body
            try:
                return body.decode(encoding, "surrogatepass").encode("utf-8", "surrogatepass")
            except UnicodeDecodeError as error:
                message = f"The file is no {encoding.upper()} text at byte {error.start}."
                raise SourceError(message) from None
    try:
        content.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        message = f"The file is no UTF-8 text at byte {error.start}."
        raise SourceError(message, "Save it as UTF-8; a browser's profile is no export.") from None
    return content


def _members(raw: bytes, what: str) -> dict[str, Entry]:
    taken = split(raw)
    if taken.form == "other":
        if not raw.strip():
            message = f"{what} is empty."
        elif raw.lstrip()[:1] == b"<":
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
    return entry is not None and bytes(entry.raw)[:1] in (b"{", b"[")


def _of_holder(entry: Entry, name: str) -> dict[str, bytes]:
    """Keys as an object of strings, or as a list of `{name, value}`."""
    raw = bytes(entry.raw)
    if raw[:1] == b"[":
        return _of_pairs(raw, f'"{name}"')
    members = _members(raw, f'"{name}"')
    return {key: _string(each, f'"{key}"') for key, each in members.items()}


def _of_pairs(raw: bytes, what: str) -> dict[str, bytes]:
    taken = split(raw)
    _check_whole(taken, what)
    keys: dict[str, bytes] = {}
    for entry in taken.entries:
        if bytes(entry.raw)[:1] != b"{":
            message = f"{what} holds something other than {{name, value}}."
            raise SourceError(message)
        pair = _members(bytes(entry.raw), f"an entry of {what}")
        name = pair.get("name") or pair.get("key")
        if name is None or "value" not in pair:
            message = f"An entry of {what} has no name or no value."
            raise SourceError(message)
        key = _string(name, "a name").decode("utf-8", "surrogatepass")
        if key in keys:
            message = f'{what} has the key "{key[:100]}" twice; one of them would be lost.'
            raise SourceError(message, "Rename one of them in the file and try again.")
        keys[key] = _string(pair["value"], f'"{key}"')
    return keys


def _of_storage_state(entry: Entry, wanted: str | None) -> Dump:
    """Playwright's `{"cookies": […], "origins": [{"origin", "localStorage"}]}`."""
    taken = split(bytes(entry.raw))
    if taken.form != "array":
        message = '"origins" is no list.'
        raise SourceError(message)
    _check_whole(taken, '"origins"')
    found: dict[str, Entry] = {}
    for each in taken.entries:
        members = _members(bytes(each.raw), "an origin")
        if "localStorage" in members:
            found[_optional_text(members, "origin") or ""] = members["localStorage"]
    name = _chosen(list(found), wanted)
    return Dump(_of_holder(found[name], "localStorage"), name or None)


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
    if "log" in members:
        message = "This is a HAR file: it records requests and holds no localStorage."
        raise SourceError(message)
    if "state" in members and members.keys() <= {"state", "version"}:
        message = "This is the value of one key, not a whole localStorage."
        raise SourceError(
            message, 'Wrap it: {"<key, like task-store>": "<this text as a string>"}.'
        )
    if not members:
        message = "The file holds an empty object: there is nothing to migrate."
        raise SourceError(message, "Export on the page of the app, at the address it is used at.")


def _string(entry: Entry, what: str) -> bytes:
    raw = bytes(entry.raw)
    if raw[:1] != b'"':
        message = f"The value of {what[:120]} is no string (byte {entry.offset})."
        raise SourceError(
            message,
            "Values travel as the raw strings of localStorage, unparsed; export them that way.",
        )
    try:
        return utf8(read_string(raw))
    except ValueError:
        message = f"The value of {what[:120]} is no valid JSON string (byte {entry.offset})."
        raise SourceError(message) from None


def _optional_text(members: dict[str, Entry], name: str) -> str | None:
    entry = members.get(name)
    if entry is None:
        return None
    try:
        value: Any = read(bytes(entry.raw))[0]
    except MalformedError:
        return None
    return value[:2000] if type(value) is str else None
