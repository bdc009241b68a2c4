"""Versions of what was read: ETags and the conditions on them (RFC 9110, section 13)."""

import re
from hashlib import blake2b

from roost import errors
from roost.errors import ProblemError

NEVER = -1
"""A version that no row has."""
_TAG = re.compile(r'(W/)?"([^"]*)"')


def version_tag(version: int) -> str:
    """Give the tag of a row at a version, after a change."""
    return f'"v{version}"'


def item_tag(version: int, body: bytes) -> bytes:
    """Give the tag of an item as it was read: its version, and what else is in the body."""
    return b'"v%d-%s"' % (version, blake2b(body, digest_size=8).hexdigest().encode())


def body_tag(body: bytes) -> bytes:
    """Give the tag of a body that has no version of its own."""
    return b'"%s"' % blake2b(body, digest_size=12).hexdigest().encode()


def matches(header: str, tag: str) -> bool:
    """Whether `If-None-Match` names the tag; weak and strong compare alike."""
    if header.strip() == "*":
        return True
    return any(found[2] == tag.strip('"') for found in _TAG.finditer(header))


def expected_version(header: str | None) -> int | None:
    """Read the version that `If-Match` asks for; None when it asks for none.

    Takes `"v3"` and `"v3-…"` as given in ETags, and a bare `3`. Any other tag, a weak one too,
    matches nothing; a list of them is refused with 400.
    """
    if header is None or header.strip() == "*":
        return None
    if "," in header:
        raise ProblemError(
            errors.VALIDATION_ERROR,
            "If-Match may name one ETag",
            errors=[errors.FieldError("If-Match", 'must be one ETag, such as "v3"')],
        )
    found = re.fullmatch(r'("?)v?(\d{1,18})(?:-[0-9a-f]{1,64})?\1', header.strip())
    return int(found[2]) if found else NEVER


def require_version(expected: int | None, current: int) -> None:
    """Raise PRECONDITION_FAILED when a version is expected that is not the current one."""
    if expected is not None and expected != current:
        raise _precondition_failed(current)


def require_any(expected: int | None) -> None:
    """Raise PRECONDITION_FAILED when a version is expected of what is not there any more."""
    if expected is not None:
        raise ProblemError(errors.PRECONDITION_FAILED, "it was deleted, and has no version now")


def _precondition_failed(current: int) -> ProblemError:
    return ProblemError(
        errors.PRECONDITION_FAILED,
        f"the present version is {current}",
        headers={"etag": version_tag(current)},
        extra={"currentVersion": current},
    )
