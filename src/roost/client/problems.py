"""What can go wrong when Roost is asked, as exceptions."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx
import msgspec

LOST: Final = frozenset({"EXECUTION_ENDED", "LEASE_EXPIRED"})
_SERVER_FAULT: Final = 500


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field of a request."""

    field: str
    message: str
    code: str = ""


class RoostError(Exception):
    """Roost has refused a request, or could not do it.

    `code` is the entry of Roost's catalogue of errors, `status` that of HTTP, None without an
    answer. `repeated` says that an earlier try of the same call may have been done.
    """

    def __init__(  # noqa: PLR0913 -- a problem document has as many members
        self,
        detail: str,
        *,
        code: str = "",
        status: int | None = None,
        hint: str | None = None,
        errors: tuple[FieldError, ...] = (),
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code
        self.status = status
        self.hint = hint
        self.errors = errors
        self.request_id = request_id
        self.retry_after = retry_after
        self.repeated = False

    def __str__(self) -> str:
        fields = "; ".join(f"{found.field} {found.message}" for found in self.errors)
        said = [f"{self.code}: {self.detail}"]
        if fields and fields not in self.detail:
            said.append(f"({fields})")
        if self.hint:
            said.append(f"[{self.hint}]")
        return " ".join(said)

    @property
    def is_passing(self) -> bool:
        """Whether the same request may well succeed later."""
        return self.status is None or self.status >= _SERVER_FAULT


class NotFound(RoostError):  # noqa: N818 -- said like the answer it is
    """There is no such thing, or not in this workspace."""


class Conflict(RoostError):  # noqa: N818 -- likewise
    """What is stored is in the way: a state, a version, somebody else."""


class LeaseLost(Conflict):
    """The run is not held any more: it has ended, or its lease has expired."""


class RateLimited(RoostError):  # noqa: N818 -- likewise
    """Too many requests; `retry_after` has the seconds to wait."""

    @property
    def is_passing(self) -> bool:
        """It passes."""
        return True


class Unreachable(RoostError):  # noqa: N818 -- likewise
    """There was no answer; what was asked for may or may not have been done."""


class RunCancelled(Exception):  # noqa: N818 -- like asyncio's
    """The run was cancelled on the server, or its task was: stop working on it."""


def unreachable(error: httpx.RequestError) -> Unreachable:
    """Say that no answer came; never with what was sent."""
    return Unreachable(str(error) or type(error).__name__, code="UNREACHABLE")


def problem_of(response: httpx.Response) -> RoostError:
    """Read a refusal: a problem document (RFC 9457), or whatever stood in its place."""
    document = _document(response)
    code = _text(document, "code") or f"HTTP_{response.status_code}"
    detail = _text(document, "detail") or _text(document, "title") or response.reason_phrase
    return _kind(response.status_code, code)(
        detail,
        code=code,
        status=response.status_code,
        hint=_text(document, "hint"),
        errors=_errors(document.get("errors")),
        request_id=_text(document, "requestId") or response.headers.get("roost-request-id"),
        retry_after=_retry_after(response.headers.get("retry-after")),
    )


def _kind(status: int, code: str) -> type[RoostError]:
    if code in LOST:
        return LeaseLost
    kinds: dict[int, type[RoostError]] = {
        404: NotFound,
        409: Conflict,
        412: Conflict,
        429: RateLimited,
    }
    return kinds.get(status, RoostError)


def _document(response: httpx.Response) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(response.content)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _text(document: dict[str, Any], name: str) -> str | None:
    value = document.get(name)
    return value if isinstance(value, str) else None


def _errors(found: object) -> tuple[FieldError, ...]:
    try:
        return msgspec.convert(found or (), tuple[FieldError, ...])
    except msgspec.ValidationError:
        return ()


def _retry_after(header: str | None) -> float | None:
    """Read `Retry-After`, in seconds or as a date; what is neither is not there."""
    if header is None:
        return None
    if header.isdecimal():
        return float(header)
    try:
        until = parsedate_to_datetime(header)
        return max(0.0, (until - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
