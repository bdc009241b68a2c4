"""An environment's config: a JSON object whose numbers are kept digit by digit."""

from typing import Any

import msgspec

from roost import errors
from roost.environments.model import CONFIG_LIMIT
from roost.errors import FieldError, ProblemError
from roost.web import body
from roost.web.merge import merge_patch
from roost.web.numbers import exactly

_DECODER = msgspec.json.Decoder(dict[str, Any], float_hook=exactly)


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
