"""A workspace's history over HTTP: what there was, what differs, and back to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Raw

from roost import errors
from roost.db.pool import Transaction
from roost.history import back
from roost.history.differences import difference_page
from roost.history.kinds import Kind
from roost.history.model import (
    Difference,
    DiffQuery,
    HistoryQuery,
    WorkspaceRestore,
    WorkspaceRestored,
    WorkspaceThen,
)
from roost.history.moments import Moment, read_moment
from roost.history.restore import Done, restore_workspace, tick_of_now
from roost.web import lists
from roost.web.endpoint import API, Call, Contract, Endpoint
from roost.web.kit import Kit
from roost.web.paging import COUNT_CAP, PageQuery, encode_cursor
from roost.web.query import invalid
from roost.web.reply import Reply, encoded

READ, WRITE = "history:read", "history:write"
TAG = "history"
_ALL = f"{API}/history"
_MOMENT = (errors.MOMENT_IN_FUTURE, errors.MOMENT_NOT_KEPT)


@dataclass(frozen=True, slots=True)
class HistoryRoutes:
    """The routes of this room. Each of `kinds` may name rows of those before it."""

    kit: Kit
    kinds: Sequence[Kind]

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        return [
            Endpoint("GET", _ALL, self.then, Contract(
                "Read a workspace as of a moment", READ, query=HistoryQuery,
                returns=WorkspaceThen, problems=_MOMENT, tag=TAG)),
            Endpoint("GET", f"{_ALL}/diff", self.diff, Contract(
                "Compare a workspace at two moments", READ, query=DiffQuery, returns=Difference,
                paged=True, problems=_MOMENT, tag=TAG)),
            Endpoint("POST", f"{_ALL}/restore", self.restore, Contract(
                "Put a workspace back as it was", WRITE, body=WorkspaceRestore,
                returns=WorkspaceRestored, problems=(*_MOMENT, errors.CONFLICT), tag=TAG)),
        ]  # fmt: skip

    def _chosen(self, names: Sequence[str] | None, field: str) -> list[Kind]:
        known = [kind.name for kind in self.kinds]
        for name in names or ():
            if name not in known:
                raise invalid(field, f"knows no {name[:50]!r}; there are {', '.join(known)}")
        return [kind for kind in self.kinds if not names or kind.name in names]

    async def then(self, call: Call) -> Reply:
        """Answer what there was."""
        query: HistoryQuery = call.query
        kinds = self._chosen(query.kind, "kind")
        if query.cursor is not None and len(kinds) != 1:
            raise invalid("cursor", "needs one kind", "conflict")
        moment = await read_moment(self.kit.database, query.as_of)
        shown = [await self._page(call, kind, moment) for kind in kinds]
        return self.kit.conditional(call, encoded({"asOf": moment.shown(), "kinds": shown}))

    async def _page(self, call: Call, kind: Kind, moment: Moment) -> Mapping[str, Any]:
        query = PageQuery(limit=call.query.limit, cursor=call.query.cursor)
        statement, values, sort = lists.prepare(kind.listing, query, {})
        row = await self.kit.read(call, statement, **values, **moment.places())
        following = msgspec.json.decode(row["cursor"]) if row["cursor"] else None
        return {
            "kind": kind.name,
            "total": min(row["total"], COUNT_CAP),
            "totalIsExact": row["total"] <= COUNT_CAP,
            "items": Raw(row["items"].encode()),
            "nextCursor": encode_cursor(sort, following) if following else None,
        }

    async def diff(self, call: Call) -> Reply:
        """Answer what became of each thing."""
        query: DiffQuery = call.query
        kinds = self._chosen(query.kind, "kind")
        earlier = await read_moment(self.kit.database, query.from_, "from")
        later = await read_moment(self.kit.database, query.to, "to")
        if later.tick < earlier.tick:
            raise invalid("to", "is before from", "order")
        return await difference_page(self.kit, call, kinds, earlier, later)

    async def restore(self, call: Call) -> Reply:
        """Put a workspace back, or count what that would change."""
        wanted: WorkspaceRestore = call.body
        kinds = self._chosen(wanted.kinds, "kinds")
        moment = await read_moment(self.kit.database, wanted.as_of)
        before = await tick_of_now(self.kit.database)
        cause = f"restore/{call.request_id}"[:100]

        async def work(transaction: Transaction) -> Reply:
            await transaction.row(back.SET_CAUSE, cause=cause)
            workspace_id = call.principal.workspace_id
            done = await restore_workspace(
                transaction, workspace_id, kinds, moment, dry_run=wanted.dry_run
            )
            counts = [
                {"kind": kind.name} | _counted(each) for kind, each in zip(kinds, done, strict=True)
            ]
            return encoded(
                {
                    "asOf": moment.shown(),
                    "before": before.shown(),
                    "cause": cause,
                    "dryRun": wanted.dry_run,
                    "kinds": counts,
                }
            )

        return await self.kit.change(call, work)


def _counted(done: Done) -> dict[str, int]:
    return {name: len(getattr(done, name)) for name in ("created", "changed", "deleted", "kept")}
