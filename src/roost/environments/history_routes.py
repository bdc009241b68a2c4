"""The history of environments over HTTP: versions, and back to one."""

from dataclasses import dataclass
from uuid import UUID

from roost import errors
from roost.db.pool import Transaction
from roost.environments import queries
from roost.environments.model import Environment
from roost.environments.past import ENVIRONMENT_KIND
from roost.environments.service import written
from roost.errors import ProblemError
from roost.history.model import Restore, VersionEntry, VersionQuery
from roost.history.restore import Point, find_point, put_row
from roost.history.versions import version_page
from roost.web.endpoint import API, Call, Contract, Endpoint
from roost.web.etag import expected_version, require_any, require_version
from roost.web.kit import Kit, tagged
from roost.web.reply import Reply
from roost.web.written import Written

_ITEM = f"{API}/environments/{{id:str}}"
_TAG = "environments"


@dataclass(frozen=True, slots=True)
class EnvironmentHistoryRoutes:
    """The routes of an environment's versions."""

    kit: Kit

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        return [
            Endpoint("GET", f"{_ITEM}/history", self.versions, Contract(
                "Read an environment's versions, newest first", "environments:read",
                query=VersionQuery, returns=VersionEntry, paged=True,
                problems=(errors.ENVIRONMENT_NOT_FOUND,), tag=_TAG)),
            Endpoint("POST", f"{_ITEM}/restore", self.restore, Contract(
                "Put an environment back as it was, a deleted one too, but for its secrets",
                "environments:write", body=Restore, returns=Environment, problems=(
                    errors.ENVIRONMENT_NOT_FOUND, errors.VERSION_NOT_FOUND,
                    errors.PRECONDITION_FAILED, errors.MOMENT_IN_FUTURE,
                    errors.MOMENT_NOT_KEPT, errors.CONFLICT), tag=_TAG)),
        ]  # fmt: skip

    async def versions(self, call: Call) -> Reply:
        """Answer a page of versions."""
        missing = errors.ENVIRONMENT_NOT_FOUND
        return await version_page(self.kit, call, ENVIRONMENT_KIND, call.id(), missing)

    async def restore(self, call: Call) -> Reply:
        """Put an environment back."""
        environment_id, expected = call.id(), expected_version(call.header("if-match"))
        point = await find_point(self.kit, call, ENVIRONMENT_KIND, environment_id, call.body)

        async def work(transaction: Transaction) -> Reply:
            workspace_id = call.principal.workspace_id
            environment = await restore_environment(
                transaction, workspace_id, environment_id, point, expected
            )
            return tagged(environment.body, environment.version)

        return await self.kit.change(call, work)


async def restore_environment(
    transaction: Transaction,
    workspace_id: UUID,
    environment_id: UUID,
    point: Point | None,
    expected: int | None,
) -> Written:
    """Make an environment what it was; it stays inactive when its user works in another by now.

    ENVIRONMENT_NOT_FOUND, VERSION_NOT_FOUND or PRECONDITION_FAILED. `point` None: it had no such
    version.
    """
    place = {"workspace": workspace_id, "environment": environment_id}
    current = await transaction.row(queries.LOCK, **place)
    if current is None:
        require_any(expected)
    else:
        require_version(expected, current["version"])
    kind = ENVIRONMENT_KIND
    if point is None or not await put_row(
        transaction, workspace_id, kind, environment_id, point.row
    ):
        raise ProblemError(errors.VERSION_NOT_FOUND if current else errors.ENVIRONMENT_NOT_FOUND)
    return written(await transaction.row(queries.READ, **place))
