"""Reading JSON bodies: bounded, typed, and with errors that name the field."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from roost import errors
from roost.errors import FieldError, ProblemError
from roost.web.choices import named_choices, refused_form

T = TypeVar("T")
MAX_DEPTH = 64
"""Levels of nesting that a body may have."""
SECONDS = 60.0
"""How long a body may take to arrive, in all."""
_AT = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>.*)`", re.DOTALL)
_PATTERN = re.compile(r"Expected `str` matching regex (?P<repr>.*)", re.DOTALL)
# Escaped backslashes and whole pairs are passed over, so that what is left is half a pair.
_SURROGATES = re.compile(
    rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
# Numbers are left alone: they may be too large for a float, and that is no fault of a text's.
_ANYTHING = msgspec.json.Decoder(float_hook=str)
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"')
_ALIKE = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_MEDIA_TYPES = {"application/json", "application/merge-patch+json"}


async def read(
    scope: Any,  # noqa: ANN401 -- ASGI's own type
    receive: Any,  # noqa: ANN401 -- ASGI's own type
    limit: int,
    seconds: float | None = None,
) -> bytes:
    """Read a body of at most `limit` bytes; 413 as soon as it is known to be larger.

    REQUEST_TIMEOUT when it has not arrived within `seconds`, by default `SECONDS`. Rights may be
    gone since it began: who reads a body asks `Call.still_admitted` afterwards.
    """
    length = _header(scope, b"content-length")
    if length is not None and length.isdigit() and int(length) > limit:
        raise too_large(limit)
    allowed = SECONDS if seconds is None else seconds
    try:
        async with asyncio.timeout(allowed):
            return await _arrived(receive, limit)
    except TimeoutError as error:
        raise ProblemError(
            errors.REQUEST_TIMEOUT,
            f"the body did not arrive within {allowed:g} seconds",
            headers={"connection": "close"},
        ) from error


async def _arrived(receive: Any, limit: int) -> bytes:  # noqa: ANN401 -- ASGI's own type
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ProblemError(errors.MALFORMED_BODY, "the body ended early")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise too_large(limit)
        chunks.append(chunk)
        if not message.get("more_body"):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def refuse(scope: Any, receive: Any) -> bool:  # noqa: ANN401 -- ASGI's own types
    """Refuse a body where none is expected; an empty JSON object is one as good as none.

    Says whether there was one to read.
    """
    if _header(scope, b"content-length") in {None, "0"} and not _header(
        scope, b"transfer-encoding"
    ):
        return False
    if (await read(scope, receive, 1000)).strip() not in {b"", b"{}"}:
        message = "this route takes no body"
        raise ProblemError(errors.VALIDATION_ERROR, message, errors=[FieldError("", message)])
    return True


def too_large(limit: int) -> ProblemError:
    """Say how much the route takes; the connection is closed, for the rest is not read."""
    return ProblemError(
        errors.BODY_TOO_LARGE,
        f"the body may have {limit} bytes at most",
        headers={"connection": "close"},
    )


def require_json(scope: Any) -> None:  # noqa: ANN401 -- ASGI's own type
    """Refuse bodies that say they are something else than JSON; no type is taken as JSON."""
    declared = _header(scope, b"content-type")
    media_type = (declared or "application/json").partition(";")[0].strip().lower()
    if media_type not in _MEDIA_TYPES:
        raise ProblemError(
            errors.UNSUPPORTED_MEDIA_TYPE, f"the body is {media_type[:100]!r}, not JSON"
        )


def _header(scope: Any, name: bytes) -> str | None:  # noqa: ANN401 -- ASGI's own type
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return None


def decode(raw: bytes, decoder: msgspec.json.Decoder[T], *, stored: bool = True) -> T:
    """Decode a body into its struct; every fault becomes a 400 that names the field.

    With `stored` off, it need not be what PostgreSQL can hold.
    """
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH:
        _check_depth(raw)
    try:
        value = decoder.decode(raw)
        if stored and b"\\u0000" in raw:
            _refuse_nul(_ANYTHING.decode(raw), "")
    except msgspec.ValidationError as error:
        raise refusal(error, decoder.type) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProblemError(errors.MALFORMED_BODY, _malformed(raw, error)) from error
    return value


def _malformed(raw: bytes, error: Exception) -> str:
    if not raw:
        return "the body is empty"
    for found in _SURROGATES.finditer(raw):
        if half := found["half"]:
            return (
                f"the escape {half.decode()} (byte {found.start('half')}) is half a character: the "
                "other half of the surrogate pair is missing"
            )
    return str(error)


def refusal(error: msgspec.ValidationError, kind: Any) -> ProblemError:  # noqa: ANN401 -- any type annotation
    """Make the answer to a body or parameters that are not of the type `kind`."""
    found = field_error(str(error), getattr(kind, "elsewhere", {}), kind)
    own_words = found.code in {"unknown", "format"}
    detail = f"{found.field} {found.message}" if own_words else str(error)
    return ProblemError(errors.VALIDATION_ERROR, detail, errors=[found])


def field_error(
    text: str,
    elsewhere: Mapping[str, str] | None = None,
    kind: Any = None,  # noqa: ANN401 -- any type annotation
) -> FieldError:
    """Turn a message of msgspec's into the field, what is wrong, and a code.

    `kind` is the type that was to be read. `elsewhere` says of fields that the body does not take
    where they are changed instead. A body's struct gives it as a class variable of that name.
    """
    found = _AT.match(text)
    what = found["what"] if found else text
    path = (found["path"] if found else None) or ""
    unknown, missing = _UNKNOWN.match(what), _MISSING.match(what)
    if unknown:
        message = "is not a field of this body"
        instead = (elsewhere or {}).get(unknown["name"])
        message = f"{message}: {instead}" if instead else message
        return FieldError(_join(path, unknown["name"]), message, "unknown")
    if missing:
        return FieldError(_join(path, missing["name"]), "is required", "required")
    if kind is not None and what.startswith("Invalid enum value"):
        what += named_choices(kind, path)
    if kind is not None and (pattern := _PATTERN.fullmatch(what)):
        words = refused_form(kind, path, pattern["repr"])
        if words:
            return FieldError(path, words, "format")
    return FieldError(path, what, "invalid")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _check_depth(raw: bytes) -> None:
    """Refuse deep nesting; all in C, for a body may have millions of brackets."""
    brackets = _STRING.sub(b"", raw).translate(_ALIKE, _NO_BRACKETS)
    for _ in range(MAX_DEPTH):
        inner = brackets.replace(b"[]", b"")
        if len(inner) == len(brackets):
            break  # nothing is left, or it is no JSON, as the decoder will say
        brackets = inner
    else:
        if brackets:
            message = f"the body is nested deeper than {MAX_DEPTH} levels"
            raise ProblemError(
                errors.VALIDATION_ERROR, message, errors=[FieldError("", message, "too_deep")]
            )


def _refuse_nul(value: object, path: str) -> None:
    if isinstance(value, str):
        if "\x00" in value:
            message = "has a NUL character, which text in PostgreSQL can't hold"
            raise ProblemError(
                errors.VALIDATION_ERROR,
                f"{path or 'the body'} {message}",
                errors=[FieldError(path, message, "nul_character")],
            )
    elif isinstance(value, dict):
        for key, inner in value.items():
            _refuse_nul(key, _join(path, "(a name)"))
            _refuse_nul(inner, _join(path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _refuse_nul(inner, f"{path}[{index}]")
