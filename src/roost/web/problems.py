"""Problem documents (RFC 9457): the one place where an exception becomes an answer."""

import logging
from typing import Any

import asyncpg
import msgspec
from litestar import Request
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException

from roost import errors
from roost.db.faults import ContentionError, DatabaseError, UnavailableError
from roost.errors import ProblemError
from roost.web.endpoint import request_id
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


def _translate(error: Exception) -> ProblemError | None:
    """Find the catalogue's entry for an error that is no ProblemError; None: ours to mend."""
    if isinstance(error, NotFoundException):
        return ProblemError(errors.ROUTE_NOT_FOUND)
    if isinstance(error, MethodNotAllowedException):
        return ProblemError(errors.METHOD_NOT_ALLOWED, headers=dict(error.headers or {}))
    if isinstance(error, ContentionError):
        return ProblemError(errors.CONTENTION, str(error), headers={"retry-after": "1"})
    if isinstance(error, UnavailableError | asyncpg.PostgresConnectionError):
        return ProblemError(
            errors.DATABASE_UNAVAILABLE, str(error), headers={"retry-after": "2"}
        )
    if isinstance(error, asyncpg.QueryCanceledError | TimeoutError):
        return ProblemError(errors.QUERY_TIMEOUT, headers={"retry-after": "5"})
    if isinstance(error, asyncpg.UniqueViolationError):
        return ProblemError(errors.CONFLICT, error.detail or "it exists already")
    if isinstance(error, asyncpg.ForeignKeyViolationError):
        return ProblemError(errors.VALIDATION_ERROR, "an id in the body refers to nothing here")
    if isinstance(error, _BAD_VALUES):
        return ProblemError(errors.VALIDATION_ERROR, f"PostgreSQL refused a value: {error}")
    if isinstance(error, HTTPException) and error.status_code < 500:  # noqa: PLR2004 -- HTTP
        return ProblemError(errors.VALIDATION_ERROR, error.detail)
    return None


def handle(request: Request[Any, Any, Any], error: Exception) -> Reply:
    """Answer an exception; Litestar calls it for every one."""
    name = request_id(request.scope)
    problem = error if isinstance(error, ProblemError) else _translate(error)
    if problem is None:
        _log.error("a request failed", exc_info=error, extra={"request_id": name})
        request.scope["state"]["error"] = error
        problem = ProblemError(errors.INTERNAL_ERROR)
    elif isinstance(error, DatabaseError):
        _log.warning("the database is in trouble: %s", error, extra={"request_id": name})
    return reply(problem, name)
