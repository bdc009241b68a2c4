"""The protocol's HTTP: which methods there are, what they read, and what browsers may see."""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Final

import asyncpg

from roost.db.faults import DatabaseError, UnavailableError
from roost.db.pool import LOST
from roost.sync import answer
from roost.sync.answer import Answer, Headers
from roost.sync.publication import ANYBODY, Reader
from roost.sync.refusal import RefusalError, invalid, unavailable
from roost.sync.request import read_dropped, read_request
from roost.sync.service import Sync
from roost.sync.source import FAILED
from roost.web import body

JSON: Final = ("content-type", "application/json")
METHODS: Final = "GET, POST, HEAD, DELETE, OPTIONS"
_BODY_LIMIT: Final = 8 * 1024 * 1024


async def respond(
    sync: Sync,
    method: str,
    scope: Any,  # noqa: ANN401 -- ASGI
    receive: Any,  # noqa: ANN401 -- ASGI
    reader: Reader = ANYBODY,
) -> Answer:
    """Answer one request to `/v1/shape`, whatever comes of it."""
    return await guarded(_respond(sync, method, scope, receive, reader))


async def guarded(answering: Awaitable[Answer]) -> Answer:
    """Give the answer, or what says why there is none."""
    try:
        return await answering
    except RefusalError as error:
        return answer.refusal(error)
    except asyncpg.QueryCanceledError:
        return answer.refusal(invalid("where", "this takes the database too long"))
    except FAILED as error:
        return answer.refusal(invalid("where", str(error).split("\n", 1)[0]))
    except (UnavailableError, *LOST):
        return answer.refusal(unavailable("The database cannot be reached at the moment."))
    except DatabaseError as error:
        return answer.refusal(unavailable(f"The database could not serve this: {error}"))


async def _respond(sync: Sync, method: str, scope: Any, receive: Any, reader: Reader) -> Answer:  # noqa: ANN401 -- ASGI
    query = scope["query_string"]
    if method == "DELETE":
        return await sync.delete(*read_dropped(query), reader)
    request = read_request(query, await read_body(method, scope, receive))
    return await sync.answer(request, reader, tag_of(scope))


async def read_body(method: str, scope: Any, receive: Any) -> bytes | None:  # noqa: ANN401 -- ASGI
    """Read a subset's body, where there is one."""
    return await body.read(scope, receive, _BODY_LIMIT) if method == "POST" else None


def tag_of(scope: Any) -> str | None:  # noqa: ANN401 -- ASGI
    """Give `If-None-Match`."""
    wanted = dict(scope["headers"]).get(b"if-none-match")
    return None if wanted is None else wanted.decode("latin-1")


def cross_origin() -> Headers:
    """What lets a page of any origin read the answer: the same for all, for caches keep it."""
    return [
        ("access-control-allow-origin", "*"),
        ("access-control-expose-headers", answer.EXPOSED),
        ("access-control-allow-methods", METHODS),
    ]


def preflight(headers: Mapping[bytes, bytes]) -> Headers:
    """What a browser asks before it asks."""
    wanted = headers.get(b"access-control-request-headers", b"*").decode("latin-1")
    return [
        ("access-control-allow-headers", wanted),
        ("access-control-max-age", "86400"),
        ("connection", "keep-alive"),
    ]


def encoded(headers: Sequence[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Headers as ASGI has them."""
    return [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers]
