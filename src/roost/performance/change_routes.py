"""Advice on indexes carried out, over HTTP."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Final

import msgspec

from roost import errors
from roost.db.pool import Database
from roost.errors import ProblemError
from roost.identity.audit.trail import trail_of
from roost.performance.applying import Applier, Busy, IndexChange
from roost.performance.indexes import indexes
from roost.web.endpoint import API, Call, Contract, Endpoint
from roost.web.kit import Kit
from roost.web.query import invalid
from roost.web.reply import Reply, encoded
from roost.web.structs import Incoming

READ: Final = "performance:read"
WRITE: Final = "performance:write"
TAG: Final = "performance"
_ROOT: Final = f"{API}/performance/indexes/changes"
_UNKNOWN: Final = (errors.INDEX_CHANGE_NOT_FOUND,)


class ChangeBody(Incoming):
    """Which advice to carry out: its `sql`, to the letter."""

    sql: Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]


class ChangesQuery(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """How many changes."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20


@dataclass(frozen=True, slots=True)
class ChangeRoutes:
    """The routes by which an administrator has advice carried out."""

    kit: Kit
    doctor: Database
    applier: Applier
    index_window_days: float

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        return [
            Endpoint("POST", _ROOT, self.begin, Contract(
                "Carry out advice on an index, concurrently", WRITE, body=ChangeBody,
                returns=IndexChange, status=202,
                problems=(errors.INDEX_CHANGE_RUNNING, errors.OWNER_NEEDED), tag=TAG)),
            Endpoint("GET", _ROOT, self.list, Contract(
                "List the changes of indexes", READ, query=ChangesQuery,
                returns=list[IndexChange], tag=TAG)),
            Endpoint("GET", f"{_ROOT}/{{id:str}}", self.show, Contract(
                "Show a change of an index and how far it is", READ, returns=IndexChange,
                problems=_UNKNOWN, tag=TAG)),
            Endpoint("POST", f"{_ROOT}/{{id:str}}/cancel", self.cancel, Contract(
                "Cancel a change of an index", WRITE, returns=IndexChange, status=202,
                problems=_UNKNOWN, tag=TAG)),
        ]  # fmt: skip

    async def begin(self, call: Call) -> Reply:
        """Start on what the doctor advises now; nothing else is run."""
        return await self.kit.do(call, partial(self._begin, call))

    async def _begin(self, call: Call) -> Reply:
        wanted: ChangeBody = call.body
        if not self.applier.is_able:
            raise ProblemError(errors.OWNER_NEEDED)
        advised = await indexes(self.doctor, min_window_days=self.index_window_days)
        for advice in advised.items:
            if advice.sql == wanted.sql:
                try:
                    return encoded(await self.applier.begin(advice, trail_of(call)), 202)
                except Busy:
                    raise ProblemError(errors.INDEX_CHANGE_RUNNING) from None
        raise invalid("sql", "must be the `sql` of what GET /performance/indexes advises now")

    async def list(self, call: Call) -> Reply:
        """Answer which there were."""
        return encoded(await self.applier.list(call.query.limit))

    async def show(self, call: Call) -> Reply:
        """Answer how one goes."""
        return encoded(await self._found(call))

    async def cancel(self, call: Call) -> Reply:
        """Ask for it to stop; what has ended stays as it is."""
        found = await self._found(call)
        if found.state == "running" and self.applier.is_able:
            await self.applier.cancel(found.id, trail_of(call))
        return encoded(await self._found(call), 202)

    async def _found(self, call: Call) -> IndexChange:
        found = await self.applier.find(call.id())
        if found is None:
            raise ProblemError(errors.INDEX_CHANGE_NOT_FOUND)
        return found
