"""What was kept word for word, for its owner to look at: documents, and the names of secrets."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from roost import errors
from roost.migration import kept_queries
from roost.migration.answering import ALL, READ
from roost.migration.shown import shown_json
from roost.web import lists
from roost.web.endpoint import Call, Contract, Endpoint
from roost.web.kit import Kit, found
from roost.web.paging import SortQuery
from roost.web.reply import Reply, item
from roost.web.structs import Outgoing

DOCUMENTS = f"{ALL}/documents"
KeptKind = Literal[
    "document", "message", "offlineWrite", "backup", "unknown", "quarantine", "secret"
]


class DocumentQuery(SortQuery, frozen=True, rename="camel", kw_only=True):
    """The parameters of the list of documents."""

    kind: list[KeptKind] = msgspec.field(default_factory=list)
    key: Annotated[str, Meta(description="The localStorage key.")] | None = None


class KeptText(Outgoing):
    """A text as it was in the browser; of a secret (`kind`), its name as `key` and nothing else.

    `size` is in bytes; `subId` tells several of one key apart.
    """

    id: UUID
    kind: str
    key: str
    sub_id: str
    size: int | None
    content_type: str | None
    encoding: Literal["text", "base64"] | None
    created_at: datetime
    updated_at: datetime


class KeptDocument(KeptText):
    """The same with its content, to be decoded by `encoding`; null of a secret."""

    content: str | None


class Documents:
    """The routes of the caller's own documents."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        return [
            Endpoint("GET", DOCUMENTS, self.list, Contract(
                "List what migrations have kept word for word, and the names of sealed secrets",
                READ, query=DocumentQuery, returns=KeptText, paged=True)),
            Endpoint("GET", f"{DOCUMENTS}/{{id:str}}", self.get, Contract(
                "Read one of them; what was sealed is not shown", READ, returns=KeptDocument,
                problems=(errors.DOCUMENT_NOT_FOUND,))),
        ]  # fmt: skip

    async def list(self, call: Call) -> Reply:
        """Answer a page."""
        query: DocumentQuery = call.query
        given = {"kind": query.kind or None, "key": query.key}
        statement, values, sort = lists.prepare(kept_queries.LIST, query, given)
        row = await self._kit.read(call, statement, **values)
        items = shown_json(row["items"])
        return self._kit.conditional(call, lists.answer(query, sort, row, items=items))

    async def get(self, call: Call) -> Reply:
        """Answer one."""
        row = await self._kit.read(call, kept_queries.ITEM, document=call.id())
        found(row, errors.DOCUMENT_NOT_FOUND)
        return self._kit.conditional(call, item(row["body"]))
