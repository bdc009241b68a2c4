"""An ElectricSQL server elsewhere, behind the same guards: what it is asked is bounded here."""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from roost.db.pool import Database
from roost.sync.answer import Answer
from roost.sync.catalog import Relation
from roost.sync.clause.printing import ClauseError, Scope, no_table
from roost.sync.clause.reading import beside, read_order, read_where
from roost.sync.definition import accepted, chosen_columns, read_condition
from roost.sync.identifiers import quoted
from roost.sync.offsets import BEFORE_ALL
from roost.sync.protocol import guarded, read_body, tag_of
from roost.sync.publication import Publication, Reader, Relations
from roost.sync.refusal import RefusalError, invalid, plain, refused
from roost.sync.request import ShapeRequest, Subset, read_request
from roost.sync.source import Source
from roost.telemetry import expect_waiting

if TYPE_CHECKING:
    import httpx

_PATH: Final = "/v1/shape"
_CONNECT: Final = 5.0
_SILENT: Final = 60.0
"""Seconds after which an upstream that says nothing has hung: it speaks up every 21."""
_PASSED_ON: Final = frozenset(
    [
        *("offset", "handle", "live", "live_sse", "experimental_live_sse", "cursor", "log"),
        *("replica", "expired_handle", "cache-buster"),
    ]
)
"""What a client may say for itself; all else is said here."""
_SHOWN: Final = frozenset({"etag", "cache-control", "content-type", "retry-after"})
_OK: Final = frozenset({200, 204, 304, 400, 404, 409, 429, 503})
_LOOK_EVERY: Final = 60.0


@dataclass(frozen=True, slots=True)
class UpstreamOptions:
    """`url` is where it is, without `/v1/shape`; `secret` is what it asks for, if anything."""

    url: str
    secret: str | None = field(default=None, repr=False)
    statement_timeout: float = 30.0


class Upstream:
    """Asks it for what a reader may see, and hands its answers on as they come."""

    def __init__(
        self, database: Database, publication: Publication, options: UpstreamOptions
    ) -> None:
        self._source = Source(database, options.statement_timeout)
        self._relations = Relations(self._source, publication, _LOOK_EVERY)
        self._options = options
        self._client: httpx.AsyncClient | None = None

    async def close(self) -> None:
        """Close the connections to it."""
        if self._client is not None:
            await self._client.aclose()

    async def respond(self, method: str, scope: Any, receive: Any, reader: Reader) -> Answer:  # noqa: ANN401 -- ASGI
        """Answer one request to `/v1/shape`, whatever comes of it."""
        return await guarded(self._respond(method, scope, receive, reader))

    async def _respond(self, method: str, scope: Any, receive: Any, reader: Reader) -> Answer:  # noqa: ANN401 -- ASGI
        if method == "DELETE":
            raise plain(405, "DELETE not allowed")
        query = scope["query_string"]
        request = read_request(query, await read_body(method, scope, receive))
        bounds = await self._bounds(request, reader)
        said = {name: value for name, value in parse_qsl(query.decode(), keep_blank_values=True)
                if name in _PASSED_ON}  # fmt: skip
        tag = tag_of(scope)
        got = await self._ask(said | bounds, {} if tag is None else {"if-none-match": tag})
        return await _handed_on(
            got, is_first=request.offset == BEFORE_ALL, is_head=method == "HEAD"
        )

    async def _bounds(self, request: ShapeRequest, reader: Reader) -> dict[str, str]:
        """What is asked for, within what the reader may see. RefusalError."""
        relation = await self._relations.get(request.table)
        published = self._relations.visible(relation)
        columns = chosen_columns(relation, request.columns, published)
        clause = await beside(
            request.where, lambda: read_condition(request, relation, published, no_table)
        )
        if clause is not None:
            async with self._source.reading(reader.workspace_id, reader.user_id) as connection:
                await accepted(connection, relation, clause, lambda text: invalid("where", text))
        where, params = _bound(relation, self._relations.owner(relation), reader, request)
        found = {
            "table": f"{quoted(relation.schema)}.{quoted(relation.stored_as or relation.name)}",
            "columns": ",".join(quoted(name) for name in columns),
            "where": where,
            **{f"params[{number}]": value for number, value in enumerate(params, 1)},
        }
        if request.live:
            expect_waiting()
        if request.subset is not None:
            scope = Scope((relation.schema, relation.name), frozenset(columns))
            subset = request.subset
            found |= await beside(subset.where, lambda: _narrowed(subset, scope))
        if self._options.secret is not None:
            found["secret"] = self._options.secret
        return found

    async def _ask(self, params: Mapping[str, str], headers: Mapping[str, str]) -> "httpx.Response":
        import httpx  # noqa: PLC0415 -- for those who have an upstream

        if self._client is None:
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
            timeout = httpx.Timeout(_SILENT, connect=_CONNECT)
            self._client = httpx.AsyncClient(timeout=timeout, limits=limits, trust_env=False)
        asked = self._client.build_request(
            "GET", self._options.url + _PATH, params=dict(params), headers=dict(headers)
        )
        try:
            got = await self._client.send(asked, stream=True)
        except httpx.TimeoutException:
            raise _failed(504, "Electric does not answer.") from None
        except httpx.HTTPError:
            raise _failed(502, "Electric cannot be reached.") from None
        if got.status_code not in _OK:
            await got.aclose()
            told = " It refuses ROOST_ELECTRIC_SECRET." if got.status_code == 401 else ""  # noqa: PLR2004 -- as it is known
            raise _failed(502, f"Electric answered {got.status_code}.{told}")
        return got


def _bound(
    relation: Relation, owner: str | None, reader: Reader, request: ShapeRequest
) -> tuple[str, Sequence[str]]:
    """The condition for the upstream, and its parameters: the client's own, then the bounds'."""
    params = [request.params[str(number)] for number in range(1, len(request.params) + 1)]
    bounds = [("workspace_id", reader.workspace_id)]
    if owner is not None:
        bounds.append((owner, reader.user_id))
    parts = []
    for column, value in bounds:
        params.append(str(value))
        parts.append(f"{quoted(column)} = ${len(params)}::uuid")
        assert column in relation.by_name  # noqa: S101 -- all published tables have tenants
    if request.where is not None:
        # As it came, for it was read as one condition; it may end in a comment.
        parts.append(f"(\n{request.where}\n)")
    return " and ".join(parts), params


def _narrowed(subset: Subset, scope: Scope) -> dict[str, str]:
    """The subset's parameters. RefusalError for what is not allowed."""
    try:
        if subset.where is not None:
            read_where(subset.where, scope, subset.params, no_table)
        order = None if subset.order_by is None else read_order(subset.order_by, scope)
    except ClauseError as error:
        raise refused({"subset": {"where": [error.message]}}) from None
    found = {
        # It is not put in parentheses there.
        "subset__where": None if subset.where is None else f"(\n{subset.where}\n)",
        "subset__params": json.dumps(dict(subset.params)) if subset.params else None,
        "subset__order_by": None if order is None else subset.order_by,
        "subset__limit": None if subset.limit is None else str(subset.limit),
        "subset__offset": None if subset.offset is None else str(subset.offset),
    }
    return {name: value for name, value in found.items() if value is not None} or {
        "subset__where": "true"
    }


def _failed(status: int, message: str) -> RefusalError:
    error = plain(status, message)
    error.headers = (("retry-after", "1"), ("electric-internal-known-error", "true"))
    return error


async def _handed_on(got: "httpx.Response", *, is_first: bool, is_head: bool) -> Answer:
    """Its answer as it comes, with the headers that belong to the protocol."""
    headers = [
        (name, _for_one(value, is_first=is_first) if name == "cache-control" else value)
        for name, value in got.headers.items()
        if name in _SHOWN or name.startswith("electric-")
    ]
    if got.status_code == 200 and not is_head:  # noqa: PLR2004 -- as it is known
        return Answer(200, headers, events=_parts(got))
    try:
        body = b"" if is_head else await got.aread()
    finally:
        await got.aclose()
    return Answer(got.status_code, headers, body)


def _for_one(caching: str, *, is_first: bool) -> str:
    """What one may see is not for everybody between here and there to keep."""
    if is_first:
        return "private, no-cache"
    parts = [part.strip() for part in caching.split(",")]
    return ", ".join(
        "private" if part == "public" else part for part in parts if not part.startswith("s-maxage")
    )


async def _parts(got: "httpx.Response") -> AsyncGenerator[bytes, None]:
    try:
        async for part in got.aiter_bytes():
            yield part
    finally:
        await got.aclose()
