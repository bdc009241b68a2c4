"""Problem documents (RFC 9457): the one place where an exception becomes an answer."""

import logging
from collections.abc import Callable
from typing import Any

import asyncpg
import msgspec
from litestar import Request
from litestar.exceptions import (
    ClientException,
    MethodNotAllowedException,
    NotFoundException,
)

from roost import errors
from roost.db.faults import ContentionError, DatabaseError, UnavailableError
from roost.errors import ProblemError
from roost.telemetry import current_exchange, note_error
from roost.web.endpoint import request_id
from roost.web.pages import problem_page, wants_page
from roost.web.reply import PROBLEM, Reply

_log = logging.getLogger("roost.web")
_BAD_VALUES = (
    asyncpg.UntranslatableCharacterError,
    asyncpg.CharacterNotInRepertoireError,
    asyncpg.NumericValueOutOfRangeError,
    asyncpg.DatetimeFieldOverflowError,
    asyncpg.InvalidTextRepresentationError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.StringDataRightTruncationError,
    asyncpg.CheckViolationError,
    asyncpg.DataError,
)


_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.InvalidCachedStatementError,
)


def document(problem: ProblemError, request: str) -> bytes:
    """Write the problem as JSON."""
    entry = problem.entry
    fields: dict[str, object] = {
        "type": f"/docs/errors/{entry.code}",
        "title": entry.title,
        "status": entry.status,
        "detail": problem.detail,
        "code": entry.code,
        "errors": [
            {"field": found.field, "message": found.message, "code": found.code}
            for found in problem.errors
        ],
        "requestId": request,
    }
    exchange = current_exchange()
    if exchange is not None:
        fields["traceId"] = exchange.trace_id
    if problem.hint:
        fields["hint"] = problem.hint
    # A name from the request may hold what is no character; it must not break the answer.
    return msgspec.json.encode(fields | problem.extra)


def reply(problem: ProblemError, request: str) -> Reply:
    """Give the answer to a problem."""
    answer = Reply(document(problem, request), problem.entry.status, media_type=PROBLEM)
    for name, value in problem.headers.items():
        answer.header(name, value)
    return answer


def _refused(error: Exception) -> str:
    """Say what PostgreSQL said, without the row that it may quote."""
    said = getattr(error, "message", None)
    return f"PostgreSQL refused a value: {said}" if said else "a value is out of range"


def _retry(entry: errors.Entry, seconds: int) -> Callable[[Any], ProblemError]:
    return lambda error: ProblemError(
        entry, str(error) or None, headers={"retry-after": str(seconds)}
    )


_TRANSLATIONS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], Any], ...] = (
    (NotFoundException, lambda _: ProblemError(errors.ROUTE_NOT_FOUND)),
    (
        MethodNotAllowedException,
        lambda error: ProblemError(errors.METHOD_NOT_ALLOWED, headers=dict(error.headers or {})),
    ),
    (ContentionError, _retry(errors.CONTENTION, 1)),
    (UnavailableError, _retry(errors.DATABASE_UNAVAILABLE, 2)),
    (
        asyncpg.DiskFullError,
        lambda _: ProblemError(errors.STORAGE_FULL, headers={"retry-after": "30"}),
    ),
    (_AWAY, lambda _: ProblemError(errors.DATABASE_UNAVAILABLE, headers={"retry-after": "2"})),
    ((asyncpg.QueryCanceledError, TimeoutError), _retry(errors.QUERY_TIMEOUT, 5)),
    (
        asyncpg.UniqueViolationError,
        lambda error: ProblemError(errors.CONFLICT, error.detail or "it exists already"),
    ),
    (
        asyncpg.ForeignKeyViolationError,
        lambda _: ProblemError(errors.VALIDATION_ERROR, "an id in the body refers to nothing here"),
    ),
    (
        _BAD_VALUES,
        lambda error: ProblemError(errors.VALIDATION_ERROR, _refused(error)),
    ),
    (ClientException, lambda error: ProblemError(errors.VALIDATION_ERROR, error.detail)),
)
"""Which entry of the catalogue an error is, the first that fits; all others are ours to mend."""


def _translate(error: Exception) -> ProblemError | None:
    for kinds, make in _TRANSLATIONS:
        if isinstance(error, kinds):
            problem: ProblemError = make(error)
            return problem
    return None


def handle(request: Request[Any, Any, Any], error: Exception) -> Reply:
    """Answer an exception, with a page for a browser; Litestar calls it for every one."""
    name = request_id(request.scope)
    problem = error if isinstance(error, ProblemError) else _translate(error)
    if problem is None:
        _log.error("a request failed", exc_info=error, extra={"request_id": name})
        note_error(error)
        problem = ProblemError(errors.INTERNAL_ERROR)
    elif isinstance(error, DatabaseError):
        _log.warning("the database is in trouble: %s", error, extra={"request_id": name})
    return problem_page(problem, name) if wants_page(request.scope) else reply(problem, name)
