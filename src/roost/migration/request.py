"""Reading a dump that was posted: its envelope as strictly as any body, its strings as they are.

The strings may hold what no other body may (lone surrogates, NUL), so they are not decoded by
the reader of bodies.
"""

import msgspec

from roost import errors
from roost.errors import FieldError, ProblemError
from roost.migration.dump import Received, open_envelope
from roost.migration.model import Config
from roost.migration.octets import octet
from roost.migration.salvage import Entry, split
from roost.migration.sources import SourceError
from roost.web.body import field_error

_FIELDS = ("keys", "origin", "capturedAt", "config")
_MAX_ORIGIN = 2_000


class Start(msgspec.Struct):
    """A dump to migrate, and how."""

    received: Received
    config: Config


def read_start(raw: bytes) -> Start:
    """Read the body of `POST /migration`; ProblemError when it is none."""
    members = _members(raw)
    for name in members:
        if name not in _FIELDS:
            raise _invalid(name[:100], "is not a field of this body", "unknown")
    if "keys" not in members:
        raise _invalid("keys", "is missing", "missing")
    if octet(members["keys"].raw) != b"{":
        raise _invalid("keys", "must be an object of raw strings by localStorage key")
    config = _config(members.get("config"))
    for name in ("origin", "capturedAt"):
        _check_text(members.get(name), name)
    return Start(open_dump(raw, None), config)


def open_dump(raw: bytes, origin: str | None) -> Received:
    """Read a dump's envelope; MIGRATION_SOURCE when it is none."""
    try:
        return open_envelope(raw, origin)
    except SourceError as error:
        raise ProblemError(errors.MIGRATION_SOURCE, error.message, hint=error.hint) from error


def _members(raw: bytes) -> dict[str, Entry]:
    taken = split(raw)
    if taken.form == "object" and taken.rest is None and all(e.whole for e in taken.entries):
        members = {entry.name or "": entry for entry in taken.entries}
        if len(members) < len(taken.entries):
            raise ProblemError(errors.MALFORMED_BODY, "the body has a field twice")
        return members
    raise ProblemError(errors.MALFORMED_BODY, "the body is not one whole JSON object")


def _config(entry: Entry | None) -> Config:
    if entry is None:
        return Config()
    try:
        return msgspec.json.decode(bytes(entry.raw), type=Config)
    except msgspec.ValidationError as error:
        found = field_error(str(error))
        named = FieldError(f"config.{found.field}".rstrip("."), found.message, found.code)
        raise ProblemError(errors.VALIDATION_ERROR, f"config: {error}", errors=[named]) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(errors.MALFORMED_BODY, f"config is not valid JSON: {error}") from error


def _check_text(entry: Entry | None, name: str) -> None:
    if entry is None or bytes(entry.raw) == b"null":
        return
    if bytes(entry.raw)[:1] != b'"' or len(entry.raw) > _MAX_ORIGIN:
        raise _invalid(name, f"must be text of at most {_MAX_ORIGIN} bytes")


def _invalid(name: str, message: str, code: str = "invalid") -> ProblemError:
    return ProblemError(
        errors.VALIDATION_ERROR, f"{name} {message}", errors=[FieldError(name, message, code)]
    )
