"""Views of runs over HTTP, which change nothing."""

from dataclasses import dataclass
from typing import Final

from roost import errors
from roost.executions.compare import comparison
from roost.executions.viewing_model import CompareQuery, Comparison
from roost.web.endpoint import API, Call, Contract, Endpoint
from roost.web.kit import Kit
from roost.web.reply import Reply, item

_READ: Final = "executions:read"
_ITEM: Final = f"{API}/executions/{{id:str}}"


@dataclass(frozen=True, slots=True)
class ViewingRoutes:
    """The routes of looking back at runs."""

    kit: Kit

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        return [
            Endpoint("GET", f"{_ITEM}/compare", self.compare, Contract(
                "Compare an execution with another, step by step", _READ, query=CompareQuery,
                returns=Comparison, problems=(
                    errors.EXECUTION_NOT_FOUND, errors.EXECUTION_TOO_LONG))),
        ]  # fmt: skip

    async def compare(self, call: Call) -> Reply:
        """Answer what is the same, and what is not."""
        query: CompareQuery = call.query
        found = await comparison(self.kit, call, query.with_)
        return self.kit.conditional(call, item(found.decode()))
