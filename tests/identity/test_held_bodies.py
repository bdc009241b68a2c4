"""Rights that are lost while a body is held back are lost for that request too."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from roost.db.tenancy import Context
from roost.errors import ProblemError
from roost.identity.access.authenticator import DatabaseAuthenticator
from roost.identity.audit.trail import Trail
from roost.identity.model import TokenCreate, UserUpsert
from roost.identity.tokens.service import create_token
from roost.identity.users.service import add_user
from roost.web.principal import Principal
from tests.identity.conftest import DEADLINE, Somebody, World
from tests.support.app import BASE

API = "/api/v1"
Change = Callable[[httpx.AsyncClient, World, Somebody, Somebody], Awaitable[object]]
PERSONAL: tuple[str, dict[str, Any]] = (f"{API}/tokens", {"name": "backdoor"})
OF_ADMINS: list[tuple[str, dict[str, Any]]] = [
    (f"{API}/tokens", {"name": "backdoor", "kind": "service", "role": "admin"}),
    (f"{API}/users", {"provider": "x", "providerId": "1", "email": "new@example.test"}),
]


class Held:
    """A request whose body stops after its first byte, until it is let go."""

    def __init__(
        self, client: httpx.AsyncClient, path: str, headers: dict[str, str], body: object
    ) -> None:
        self._raw = msgspec.json.encode(body)
        self._go, self._begun = asyncio.Event(), asyncio.Event()
        headers = {**headers, "content-type": "application/json"}
        self._answer = asyncio.create_task(
            client.post(path, headers=headers, content=self._parts())
        )

    async def _parts(self) -> AsyncIterator[bytes]:
        yield self._raw[:1]
        # Asked for the rest: who asks has been looked up by now.
        self._begun.set()
        await self._go.wait()
        yield self._raw[1:]

    async def begun(self) -> None:
        async with asyncio.timeout(DEADLINE):
            await self._begun.wait()

    async def answer(self) -> httpx.Response:
        self._go.set()
        async with asyncio.timeout(DEADLINE):
            return await self._answer


async def _remove(client: httpx.AsyncClient, _: World, ann: Somebody, eve: Somebody) -> object:
    members = f"{API}/workspaces/{ann.workspace_id}/members"
    return await client.delete(f"{members}/{eve.id}", headers=ann.headers)


async def _revoke(client: httpx.AsyncClient, _: World, ann: Somebody, eve: Somebody) -> object:
    return await client.delete(f"{API}/tokens/{eve.token_id}", headers=ann.headers)


async def _deactivate(client: httpx.AsyncClient, _: World, ann: Somebody, eve: Somebody) -> object:
    return await client.delete(f"{API}/users/{eve.id}", headers=ann.headers)


async def _demote(client: httpx.AsyncClient, _: World, ann: Somebody, eve: Somebody) -> object:
    members = f"{API}/workspaces/{ann.workspace_id}/members"
    return await client.patch(f"{members}/{eve.id}", json={"role": "viewer"}, headers=ann.headers)


async def _made(world: World) -> tuple[int, int]:
    counted = await world.owner.fetchrow(
        "select (select count(*) from users) as users,"
        " (select count(*) from access_tokens) as tokens"
    )
    return counted["users"], counted["tokens"]


@pytest.mark.parametrize(
    ("change", "status", "path", "body"),
    [
        *((_remove, 401, *place) for place in (PERSONAL, *OF_ADMINS)),
        *((_revoke, 401, *place) for place in (PERSONAL, *OF_ADMINS)),
        *((_deactivate, 401, *place) for place in (PERSONAL, *OF_ADMINS)),
        *((_demote, 403, *place) for place in OF_ADMINS),
    ],
)
async def test_rights_lost_while_the_body_was_held_make_nothing(  # noqa: PLR0913, PLR0917 -- cases and fixtures
    identity_app: httpx.AsyncClient,
    world: World,
    ann: Somebody,
    change: Change,
    status: int,
    path: str,
    body: dict[str, Any],
) -> None:
    eve = await world.member(ann, "eve@example.test", "admin", ["*"])
    held = Held(identity_app, path, eve.headers, body)
    await held.begun()
    done: Any = await change(identity_app, world, ann, eve)
    assert done.status_code in {200, 204}, done.text
    answer = await held.answer()
    assert answer.status_code == status, answer.text
    names = await world.owner.fetch("select name from access_tokens")
    assert (await _made(world))[0] == 2
    assert "backdoor" not in {row["name"] for row in names}


async def test_a_session_that_ends_while_the_body_is_held_makes_no_token(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    cookie = await world.log_in(identity_app, ann)
    headers = {"cookie": f"roost_session={cookie}", "origin": BASE}
    held = Held(identity_app, f"{API}/tokens", headers, {"name": "mine"})
    await held.begun()
    ended = await identity_app.delete(f"{API}/users/{ann.id}/sessions", headers=ann.headers)
    assert ended.status_code == 204
    assert (await held.answer()).status_code == 401
    assert (await _made(world))[1] == 1


async def test_a_workspace_left_while_the_body_is_held_is_a_404(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    await world.owner.execute(
        "insert into memberships (workspace_id, id, user_id, role) values ($1, $2, $3, 'admin')",
        ann.workspace_id,
        uuid4(),
        bob.id,
    )
    there = {**bob.headers, "roost-workspace": str(ann.workspace_id)}
    held = Held(identity_app, f"{API}/tokens", there, {"name": "x", "kind": "service"})
    await held.begun()
    removed: Any = await _remove(identity_app, world, ann, bob)
    assert removed.status_code == 204
    answer = await held.answer()
    assert (answer.status_code, answer.json()["code"]) == (404, "WORKSPACE_NOT_FOUND")
    assert (await _made(world))[1] == 2


async def test_a_right_that_is_kept_serves_a_held_body(
    identity_app: httpx.AsyncClient, ann: Somebody
) -> None:
    held = Held(identity_app, f"{API}/tokens", ann.headers, {"name": "mine"})
    await held.begun()
    assert (await held.answer()).status_code == 201


async def _as_remembered(world: World, token: str) -> Principal:
    found = await DatabaseAuthenticator(world.database).authenticate(token, None, None)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("update memberships set role = 'viewer' where user_id = $1", "FORBIDDEN"),
        ("delete from memberships where user_id = $1", "WORKSPACE_NOT_FOUND"),
    ],
)
async def test_who_was_remembered_as_an_admin_makes_no_agent_and_adds_nobody(
    world: World, ann: Somebody, change: str, code: str
) -> None:
    eve = await world.member(ann, "eve@example.test", "admin", ["*"])
    principal = await _as_remembered(world, eve.token)
    await world.owner.execute(change, eve.id)
    context, trail = Context(eve.workspace_id, eve.id), Trail(eve.workspace_id, eve.id)

    async def make(transaction: Any) -> object:
        body = TokenCreate("robot", kind="service", role="admin")
        return await create_token(transaction, principal, body, "x", context, trail=trail)

    async def add(transaction: Any) -> object:
        body = UserUpsert("github", "1", "new@example.test")
        return await add_user(transaction, principal, body, context, trail)

    for work in (make, add):
        with pytest.raises(ProblemError) as refused:
            await world.database.write(context, work)
        assert refused.value.entry.code == code
    assert (await _made(world))[0] == 2


async def test_a_token_that_was_revoked_meanwhile_makes_none(world: World, ann: Somebody) -> None:
    principal = await _as_remembered(world, ann.token)
    await world.owner.execute("update access_tokens set revoked_at = now()")
    context, trail = Context(ann.workspace_id, ann.id), Trail(ann.workspace_id, ann.id)

    async def make(transaction: Any) -> object:
        return await create_token(
            transaction, replace(principal), TokenCreate("x"), "x", context, trail=trail
        )

    with pytest.raises(ProblemError) as refused:
        await world.database.write(context, make)
    assert refused.value.entry.code == "UNAUTHORIZED"
    assert (await _made(world))[1] == 1
