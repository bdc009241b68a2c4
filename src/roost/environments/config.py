"""An environment's config: a JSON object whose numbers are kept digit by digit."""

from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Raw

from roost import errors
from roost.environments.model import CONFIG_LIMIT
from roost.errors import FieldError, ProblemError
from roost.web import body
from roost.web.merge import merge_patch

MAX_PLACES = 1000
"""Zeros that an exponent may stand for; without a limit, few bytes could become gigabytes."""


def _exactly(text: str) -> Raw:
    """Keep a number as PostgreSQL will write it: without an exponent."""
    try:
        number = Decimal(text)
    except ArithmeticError as error:
        raise ValueError(_out_of_range(text)) from error
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or max(abs(exponent), number.adjusted()) > MAX_PLACES:
        raise ValueError(_out_of_range(text))
    return Raw(b"0" if not number and exponent > 0 else format(number, "f").encode())


def _out_of_range(text: str) -> str:
    return f"The number {text[:30]} has more than {MAX_PLACES} places"


_DECODER = msgspec.json.Decoder(dict[str, Any], float_hook=_exactly)


def read_config(raw: bytes) -> dict[str, Any]:
    """Read a config; VALIDATION_ERROR names the place when it is none."""
    try:
        return body.decode(raw, _DECODER)
    except ProblemError as problem:
        named = [
            FieldError(_within(found.field), found.message, found.code) for found in problem.errors
        ]
        raise ProblemError(problem.entry, f"config: {problem.detail}", errors=named) from problem


def _within(path: str) -> str:
    return f"config{path}" if path.startswith("[") else f"config.{path}".rstrip(".")


def write_config(config: dict[str, Any]) -> str:
    """Write a config as JSON without spaces; VALIDATION_ERROR when it is too large."""
    text = msgspec.json.encode(config)
    if len(text) > CONFIG_LIMIT:
        message = f"has {len(text)} bytes of JSON without spaces; {CONFIG_LIMIT} is the most"
        raise ProblemError(
            errors.VALIDATION_ERROR,
            f"config {message}",
            errors=[FieldError("config", message, "too_large")],
        )
    return text.decode()


def merged(stored: str, patch: bytes) -> str:
    """Apply a merge patch (RFC 7396) to a stored config; `null` empties it."""
    if patch.strip() == b"null":
        return "{}"
    return write_config(merge_patch(_DECODER.decode(stored), read_config(patch)))
