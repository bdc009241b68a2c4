"""What a shape's client is told when it cannot be served, in the protocol's own form."""

from typing import Any

import msgspec

MUST_REFETCH = b'[{"headers":{"control":"must-refetch"}}]'
_encode = msgspec.json.Encoder().encode


class RefusalError(Exception):
    """An answer that is no data; `body` is JSON."""

    def __init__(self, status: int, body: bytes, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = headers


def invalid(field: str, *problems: str) -> RefusalError:
    """400: a parameter is wrong."""
    return refused({field: list(problems)})


def refused(errors: dict[str, Any]) -> RefusalError:
    """400 with what is wrong by parameter."""
    return RefusalError(400, _encode({"message": "Invalid request", "errors": errors}))


def must_refetch(handle: str | None = None) -> RefusalError:
    """409: the log that the client follows is over; `handle` is the one to follow instead."""
    age = 60 if handle else 1
    headers = [("cache-control", f"public, max-age={age}, must-revalidate")]
    if handle:
        headers.append(("electric-handle", handle))
    return RefusalError(409, MUST_REFETCH, tuple(headers))


def unavailable(message: str, seconds: int = 1) -> RefusalError:
    """503: it may go well in a moment."""
    return RefusalError(
        503,
        _encode({"message": message}),
        (("retry-after", str(seconds)), ("electric-internal-known-error", "true")),
    )


def plain(status: int, message: str) -> RefusalError:
    """Any other refusal."""
    return RefusalError(status, _encode({"message": message}))
