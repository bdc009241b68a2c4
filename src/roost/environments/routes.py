"""Environments over HTTP."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from roost import errors
from roost.db.pool import Transaction
from roost.db.sealing import SecretBox
from roost.environments import past, queries
from roost.environments.activation import activate_environment, deactivate_environment
from roost.environments.history_routes import EnvironmentHistoryRoutes
from roost.environments.listing import read_conditions
from roost.environments.model import (
    Environment,
    EnvironmentCreate,
    EnvironmentPatch,
    EnvironmentQuery,
    SecretValue,
)
from roost.environments.secret_values import check_secret_name, delete_secret, set_secret
from roost.environments.service import (
    create_environment,
    delete_environment,
    patch_environment,
    replace_environment,
)
from roost.history.model import AsOfQuery
from roost.history.moments import then
from roost.identity.audit.trail import trail_of
from roost.web import lists
from roost.web.endpoint import API, Call, Contract, Endpoint
from roost.web.etag import expected_version
from roost.web.kit import Kit, created, found, written
from roost.web.reads import PAST
from roost.web.reply import Reply, empty, item
from roost.web.shown import Shown
from roost.web.written import Written

READ, WRITE = "environments:read", "environments:write"
TAG = "environments"
_ALL = f"{API}/environments"
_ITEM = f"{_ALL}/{{id:str}}"
_SECRET = f"{_ITEM}/secrets/{{name:str}}"
# Descriptions and configs may come with every character escaped.
_BODY_LIMIT = 2 * 1024 * 1024
_MISSING = (errors.ENVIRONMENT_NOT_FOUND,)
_THEN = (errors.MOMENT_IN_FUTURE, errors.MOMENT_NOT_KEPT)
_CHANGE = (*_MISSING, errors.PRECONDITION_FAILED)
_ENVIRONMENTS = frozenset({"environments", "environment_secrets"})


@dataclass(frozen=True, slots=True)
class EnvironmentRoutes:
    """The routes of this room."""

    kit: Kit
    secret_box: SecretBox

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        return [
            *self._collection(),
            *self._item(),
            *self._activation(),
            *self._secrets(),
            *EnvironmentHistoryRoutes(self.kit).endpoints(),
        ]

    def _collection(self) -> list[Endpoint]:
        return [
            Endpoint("GET", _ALL, self.page, Contract(
                "List environments", READ, query=EnvironmentQuery, returns=Environment,
                paged=True, problems=_THEN, tag=TAG)),
            Endpoint("POST", _ALL, self.create, Contract(
                "Create an environment", WRITE, body=EnvironmentCreate, returns=Environment,
                status=201, body_limit=_BODY_LIMIT, tag=TAG)),
        ]  # fmt: skip

    def _item(self) -> list[Endpoint]:
        return [
            Endpoint("GET", _ITEM, self.get, Contract(
                "Read an environment", READ, query=AsOfQuery, returns=Environment,
                problems=(*_MISSING, *_THEN), tag=TAG)),
            Endpoint("PATCH", _ITEM, self.patch, Contract(
                "Change an environment by merge patch", WRITE, body=EnvironmentPatch,
                returns=Environment, problems=_CHANGE, body_limit=_BODY_LIMIT, tag=TAG)),
            Endpoint("PUT", _ITEM, self.put, Contract(
                "Replace an environment", WRITE, body=EnvironmentCreate, returns=Environment,
                problems=_CHANGE, body_limit=_BODY_LIMIT, tag=TAG)),
            Endpoint("DELETE", _ITEM, self.delete, Contract(
                "Delete an environment with its secrets", WRITE, status=204, problems=_CHANGE,
                tag=TAG)),
        ]  # fmt: skip

    def _activation(self) -> list[Endpoint]:
        return [
            Endpoint("GET", f"{_ALL}/active", self.active, Contract(
                "Read the asking user's active environment", READ, returns=Environment,
                problems=_MISSING, tag=TAG)),
            Endpoint("POST", f"{_ITEM}/activate", self.activate, Contract(
                "Make an environment its user's active one", WRITE, returns=Environment,
                problems=_CHANGE, tag=TAG)),
            Endpoint("POST", f"{_ITEM}/deactivate", self.deactivate, Contract(
                "Make an environment not active", WRITE, returns=Environment,
                problems=_CHANGE, tag=TAG)),
        ]  # fmt: skip

    def _secrets(self) -> list[Endpoint]:
        return [
            Endpoint("PUT", _SECRET, self.set_secret, Contract(
                "Set a secret; its value is never shown again", WRITE, body=SecretValue,
                status=204, problems=_CHANGE, body_limit=_BODY_LIMIT, tag=TAG)),
            Endpoint("DELETE", _SECRET, self.delete_secret, Contract(
                "Delete a secret", WRITE, status=204,
                problems=(*_CHANGE, errors.SECRET_NOT_FOUND), tag=TAG)),
        ]  # fmt: skip

    async def page(self, call: Call) -> Reply:
        """Answer a page of environments."""
        query: EnvironmentQuery = call.query
        given = read_conditions(query, call.principal.user_id)
        moment = await then(self.kit.database, query.as_of)
        listing, places = queries.ENVIRONMENTS, {}
        if moment is not None:
            listing, places = past.ENVIRONMENTS, moment.places()
        statement, values, sort = lists.prepare(listing, query, given)

        async def read() -> Shown:
            row = await self.kit.read(call, statement, **values, **places)
            return Shown.of(lists.answer(query, sort, row))

        return await self.kit.kept(call, _ENVIRONMENTS if moment is None else PAST, read)

    async def get(self, call: Call) -> Reply:
        """Answer one environment."""
        environment = call.id()
        moment = await then(self.kit.database, call.query.as_of)
        statement, places = queries.ENVIRONMENT, {}
        if moment is not None:
            statement = past.ENVIRONMENT
            ids = [environment]
            places = {"of_id": ids, "of_environment_id": ids, **moment.places()}

        async def read() -> Shown:
            return _shown(await self.kit.read(call, statement, environment=environment, **places))

        return await self.kit.kept(call, _ENVIRONMENTS if moment is None else PAST, read)

    async def active(self, call: Call) -> Reply:
        """Answer the environment that the asking user works in."""

        async def read() -> Shown:
            return _shown(await self.kit.read(call, queries.ACTIVE))

        return await self.kit.kept(call, _ENVIRONMENTS, read)

    async def create(self, call: Call) -> Reply:
        """Make an environment of the asking user."""
        principal = call.principal

        async def work(transaction: Transaction) -> Reply:
            made = await create_environment(
                transaction, principal.workspace_id, principal.user_id, call.body
            )
            return created(made, _ALL)

        return await self.kit.change(call, work)

    async def patch(self, call: Call) -> Reply:
        """Apply a merge patch."""

        async def change(transaction: Transaction, id_: UUID, expected: int | None) -> Reply:
            workspace_id = call.principal.workspace_id
            return written(
                await patch_environment(transaction, workspace_id, id_, call.body, expected)
            )

        return await self._change(call, change)

    async def put(self, call: Call) -> Reply:
        """Replace all fields."""

        async def change(transaction: Transaction, id_: UUID, expected: int | None) -> Reply:
            workspace_id = call.principal.workspace_id
            return written(
                await replace_environment(transaction, workspace_id, id_, call.body, expected)
            )

        return await self._change(call, change)

    async def delete(self, call: Call) -> Reply:
        """Delete an environment."""

        async def change(transaction: Transaction, id_: UUID, expected: int | None) -> Reply:
            names = await delete_environment(
                transaction, call.principal.workspace_id, id_, expected
            )
            if names:
                target = ("environment", id_)
                await trail_of(call).record(transaction, "secret.deleted", target, names=names)
            return empty()

        return await self._change(call, change)

    async def activate(self, call: Call) -> Reply:
        """Make it the active one."""
        return await self._switch(call, activate_environment)

    async def deactivate(self, call: Call) -> Reply:
        """Make it not active."""
        return await self._switch(call, deactivate_environment)

    async def _switch(self, call: Call, use_case: Callable[..., Awaitable[Written]]) -> Reply:
        principal = call.principal
        acting = None if principal.is_admin else principal.user_id

        async def change(transaction: Transaction, id_: UUID, expected: int | None) -> Reply:
            return written(
                await use_case(transaction, principal.workspace_id, id_, expected, acting=acting)
            )

        return await self._change(call, change)

    async def set_secret(self, call: Call) -> Reply:
        """Store a secret, sealed."""
        name = check_secret_name(call.request.path_params["name"])
        sealed = self.secret_box.seal(call.body.value)

        async def change(transaction: Transaction, id_: UUID, expected: int | None) -> Reply:
            workspace_id = call.principal.workspace_id
            await set_secret(transaction, workspace_id, id_, name, sealed, expected=expected)
            target = ("environment", id_)
            await trail_of(call).record(transaction, "secret.set", target, names=[name])
            return empty()

        return await self._change(call, change)

    async def delete_secret(self, call: Call) -> Reply:
        """Remove a secret."""
        name = check_secret_name(call.request.path_params["name"])

        async def change(transaction: Transaction, id_: UUID, expected: int | None) -> Reply:
            await delete_secret(transaction, call.principal.workspace_id, id_, name, expected)
            target = ("environment", id_)
            await trail_of(call).record(transaction, "secret.deleted", target, names=[name])
            return empty()

        return await self._change(call, change)

    async def _change(
        self, call: Call, change: Callable[[Transaction, UUID, int | None], Awaitable[Reply]]
    ) -> Reply:
        """Change the environment of the path, under the request's `If-Match`."""
        environment_id, expected = call.id(), expected_version(call.header("if-match"))

        async def work(transaction: Transaction) -> Reply:
            return await change(transaction, environment_id, expected)

        return await self.kit.change(call, work)


def _shown(record: Any) -> Shown:  # noqa: ANN401 -- a record
    row = found(record, errors.ENVIRONMENT_NOT_FOUND)
    return Shown.of(item(row["body"]), row["version"])
