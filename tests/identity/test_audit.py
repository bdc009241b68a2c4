"""The audit trail: what is in it, and that nobody changes it."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from roost.db.pool import Transaction
from roost.db.sealing import SecretBox
from roost.db.tenancy import Context
from roost.environments.routes import EnvironmentRoutes
from roost.identity.access.authenticator import DatabaseAuthenticator
from roost.identity.audit.trail import Trail
from roost.identity.routes import IdentityRoutes
from roost.migration.routes import MigrationRoutes
from roost.telemetry import AccessLog, Telemetry
from roost.web.endpoint import Endpoint
from roost.web.kit import Kit
from tests.identity.conftest import Somebody, World
from tests.support.app import BASE, served

API = "/api/v1"
MARK = "marker-of-a-secret-value"
Event = dict[str, Any]


@pytest.fixture
async def rooms(
    world: World, authenticator: DatabaseAuthenticator
) -> AsyncIterator[httpx.AsyncClient]:
    """Every room that writes to the audit trail, over HTTP."""
    box = SecretBox(["an-obviously-fake-key-for-tests"])

    def routes(kit: Kit) -> list[Endpoint]:
        return [
            *IdentityRoutes(kit, authenticator).endpoints(),
            *EnvironmentRoutes(kit, box).endpoints(),
            *MigrationRoutes(kit, box, 1_000_000).endpoints(),
        ]

    async with served(world.database, authenticator, routes, authenticator.refusals.note) as client:
        yield client


def path(of: Somebody) -> str:
    return f"{API}/workspaces/{of.workspace_id}/audit"


async def events(client: httpx.AsyncClient, of: Somebody, **query: Any) -> list[Event]:
    answer = await client.get(path(of), params=query, headers=of.headers)
    assert answer.status_code == 200, answer.text
    found: list[Event] = answer.json()["data"]
    return found


class _UndoneError(Exception):
    """Ends a transaction."""


class Deeds:
    """Does things, and looks at what each has left in the trail."""

    def __init__(self, client: httpx.AsyncClient, of: Somebody) -> None:
        self.client, self.of = client, of
        self.seen: set[str] = set()

    async def new(self) -> list[Event]:
        """Give the events since the last look, oldest first."""
        found = await events(self.client, self.of, limit=100)
        fresh = [event for event in reversed(found) if event["id"] not in self.seen]
        self.seen |= {event["id"] for event in found}
        return fresh

    async def do(
        self, method: str, to: str, body: Any = None, *, by: dict[str, str] | None = None
    ) -> Any:
        """Send a request that has to succeed; gives the answer's data."""
        answer = await self.client.request(
            method, f"{API}{to}", json=body, headers=by or self.of.headers
        )
        assert answer.is_success, answer.text
        return answer.json()["data"] if answer.content[:8] == b'{"data":' else None

    async def expect(self, action: str, target: tuple[str, object], actor: Somebody) -> Event:
        """See that the last deed has left this one event."""
        [event] = await self.new()
        assert (event["action"], event["outcome"]) == (action, "success")
        assert event["target"] == {"type": target[0], "id": str(target[1])}
        assert event["actorId"] == str(actor.id)
        assert event["actor"]["email"] == actor.email
        assert event["address"] == "127.0.0.1"
        assert "python-httpx" in event["userAgent"]
        return event


async def _deeds(world: World, client: httpx.AsyncClient, of: Somebody) -> Deeds:
    """Start with what the making of people has left seen."""
    del world
    deeds = Deeds(client, of)
    await deeds.new()
    return deeds


async def test_each_deed_with_tokens_and_sessions_is_told_once(
    rooms: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    deeds = await _deeds(world, rooms, ann)
    token = await deeds.do("POST", "/tokens", {"name": "ci", "scopes": ["tasks:read"]})
    made = await deeds.expect("token.created", ("token", token["id"]), ann)
    assert made["details"]["scopes"] == ["tasks:read"]
    assert made["credentialId"] == str(ann.token_id)
    await deeds.do("DELETE", f"/tokens/{token['id']}")
    await deeds.expect("token.revoked", ("token", token["id"]), ann)
    cookies = [await world.log_in(rooms, ann) for _ in range(3)]
    await deeds.new()
    by_session = {"cookie": f"roost_session={cookies[0]}", "origin": BASE}
    sessions = await deeds.do("GET", f"/users/{ann.id}/sessions", by=by_session)
    [mine] = [one["id"] for one in sessions if one["current"]]
    other = next(one["id"] for one in sessions if not one["current"])
    await deeds.do("DELETE", f"/users/{ann.id}/sessions/{other}")
    await deeds.expect("session.revoked", ("session", other), ann)
    await deeds.do("POST", "/auth/logout", by=by_session)
    await deeds.expect("logout", ("session", mine), ann)
    await deeds.do("DELETE", f"/users/{ann.id}/sessions")
    ended = await deeds.expect("session.revoked", ("user", ann.id), ann)
    assert ended["details"] == {"sessions": 1}
    await deeds.do("DELETE", f"/users/{ann.id}/sessions")
    assert await deeds.new() == [], "there was none to end"


async def test_each_deed_with_users_is_told_once(
    rooms: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    member = await world.member(ann, "m@example.test", "member", ["*"])
    deeds = await _deeds(world, rooms, ann)
    body = {"provider": "github", "providerId": "7", "email": "new@example.test"}
    added = await deeds.do("POST", "/users", body)
    await deeds.expect("user.added", ("user", added["id"]), ann)
    await deeds.do("POST", "/users", body)
    assert await deeds.new() == [], "nothing has changed"
    await deeds.do("POST", "/users", body | {"name": "New"})
    event = await deeds.expect("user.updated", ("user", added["id"]), ann)
    assert event["details"] == {"fields": ["name"]}
    await deeds.do("PATCH", f"/users/{member.id}", {"name": "M", "profile": {"a": 1}})
    event = await deeds.expect("user.updated", ("user", member.id), ann)
    assert event["details"] == {"fields": ["name", "profile"]}
    await deeds.do("PATCH", f"/users/{member.id}", {"name": "Mine"}, by=member.headers)
    assert await deeds.new() == [], "one's own profile is one's own affair"
    await deeds.do("DELETE", f"/users/{member.id}")
    await deeds.expect("user.deactivated", ("user", member.id), ann)


async def test_each_deed_with_secrets_and_exports_is_told_once(
    rooms: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    deeds = await _deeds(world, rooms, ann)
    environment = (await deeds.do("POST", "/environments", {"name": "prod"}))["id"]
    secrets = f"/environments/{environment}/secrets"
    for name in ("A", "B", "C"):
        await deeds.do("PUT", f"{secrets}/{name}", {"value": MARK})
        event = await deeds.expect("secret.set", ("environment", environment), ann)
        assert event["details"] == {"names": [name]}
    await deeds.do("DELETE", f"{secrets}/A")
    await deeds.expect("secret.deleted", ("environment", environment), ann)
    await deeds.do("DELETE", f"/environments/{environment}")
    event = await deeds.expect("secret.deleted", ("environment", environment), ann)
    assert event["details"] == {"names": ["B", "C"]}
    migration = (await deeds.do("POST", "/migration", {"keys": {"k": MARK}}))["id"]
    await deeds.new()
    for what in ("backup", "receipt"):
        await deeds.do("GET", f"/migration/{migration}/{what}")
        event = await deeds.expect("data.exported", ("migration", migration), ann)
        assert event["details"] == {"what": what}
        await deeds.do("HEAD", f"/migration/{migration}/{what}")
        assert await deeds.new() == [], "no data went out"


async def test_what_was_refused_or_rolled_back_leaves_no_event(
    rooms: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    member = await world.member(ann, "m@example.test", "member", ["*"])
    deeds = await _deeds(world, rooms, ann)
    environment = (await deeds.do("POST", "/environments", {"name": "prod"}))["id"]
    stale = {**ann.headers, "if-match": '"v9"'}
    for method, to, body, headers, status in (
        ("DELETE", f"/users/{ann.id}", None, ann.headers, 409),
        ("DELETE", f"/users/{member.id}", None, stale, 412),
        ("PATCH", f"/users/{member.id}", {"name": "x"}, stale, 412),
        ("DELETE", f"/tokens/{bob.token_id}", None, ann.headers, 404),
        ("POST", "/tokens", {"name": "x", "scopes": ["admin"]}, member.headers, 403),
        ("PUT", f"/environments/{environment}/secrets/A", {"value": "x"}, stale, 412),
        ("DELETE", f"/environments/{environment}/secrets/A", None, ann.headers, 404),
        ("DELETE", f"/users/{ann.id}/sessions", None, member.headers, 403),
        ("GET", f"/migration/{uuid4()}/backup", None, ann.headers, 404),
    ):
        answer = await rooms.request(method, f"{API}{to}", json=body, headers=headers)
        assert answer.status_code == status, (method, to, answer.text)
    assert await deeds.new() == []

    async def fail(transaction: Transaction) -> None:
        trail = Trail(ann.workspace_id, ann.id)
        await trail.record(transaction, "logout")
        raise _UndoneError

    with pytest.raises(_UndoneError):
        await world.database.write(Context(ann.workspace_id, ann.id), fail)
    assert await deeds.new() == []


async def test_a_repeated_request_leaves_one_event(
    rooms: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    deeds = await _deeds(world, rooms, ann)
    headers = {**ann.headers, "idempotency-key": "once"}
    for _ in range(3):
        await deeds.do("POST", "/tokens", {"name": "ci"}, by=headers)
    assert [event["action"] for event in await deeds.new()] == ["token.created"]


async def test_of_many_revocations_at_once_one_is_told(
    rooms: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    deeds = await _deeds(world, rooms, ann)
    token = await deeds.do("POST", "/tokens", {"name": "x"})
    await deeds.new()
    await asyncio.gather(
        *(rooms.delete(f"{API}/tokens/{token['id']}", headers=ann.headers) for _ in range(5))
    )
    await deeds.expect("token.revoked", ("token", token["id"]), ann)


async def test_no_secret_is_in_any_event(
    rooms: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    deeds = await _deeds(world, rooms, ann)
    cookie = await world.log_in(rooms, ann)
    tokens = [
        (await deeds.do("POST", "/tokens", {"name": "x", "kind": kind}))["token"]
        for kind in ("personal", "service")
    ]
    environment = (await deeds.do("POST", "/environments", {"name": "prod"}))["id"]
    await deeds.do("PUT", f"/environments/{environment}/secrets/KEY", {"value": MARK})
    body = {"name": MARK, "preferences": {MARK: MARK}, "profile": {"key": MARK}}
    member = await world.member(ann, "m@example.test", "member", ["*"])
    await deeds.do("PATCH", f"/users/{member.id}", body)
    user = {"provider": "github", "providerId": MARK, "email": f"{MARK}@example.test"}
    await deeds.do("POST", "/users", user)
    migration = await deeds.do("POST", "/migration", {"keys": {"k": MARK}})
    await deeds.do("GET", f"/migration/{migration['id']}/backup")
    await deeds.do("DELETE", f"/users/{ann.id}/sessions")
    told = {event["action"] for event in await deeds.new()}
    assert {"token.created", "secret.set", "user.updated", "user.added", "data.exported"} <= told
    stored = await world.owner.fetch("select e::text as text from audit_events e")
    assert len(stored) >= len(told)
    for row in stored:
        for secret in (MARK, cookie, ann.token, member.token, *tokens):
            assert secret not in row["text"]


async def test_events_can_be_neither_changed_nor_removed_by_the_pools_role(
    rooms: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    assert await events(rooms, ann)
    for change in (
        "update audit_events set action = 'logout'",
        "update audit_events set details = '{}'",
        "delete from audit_events",
        "truncate audit_events",
        "drop table audit_events",
        "alter table audit_events disable row level security",
    ):
        async with world.database.connection() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                await connection.execute(
                    "select set_config('roost.workspace_id', $1, true)", str(ann.workspace_id)
                )
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(change)
            finally:
                await transaction.rollback()


async def test_the_requests_line_in_the_log_says_who_was_refused(
    rooms: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    member = await world.member(ann, "m@example.test", "member", ["*"])
    written: list[str] = []
    access = AccessLog(written.append, as_json=True)
    telemetry = Telemetry.from_environment({}, service_version="1", access=access)
    transport = httpx.ASGITransport(telemetry.middleware(rooms._transport.app))  # type: ignore[attr-defined]
    at_bobs = {**ann.headers, "roost-workspace": str(bob.workspace_id)}
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        for headers, status in (
            # The second time from memory.
            *[(member.headers, 403)] * 2, (ann.headers, 200), ({}, 401), (at_bobs, 404),
        ):  # fmt: skip
            here = ann if headers != at_bobs else bob
            answer = await client.get(path(here), headers=headers)
            assert answer.status_code == status
    access.flush()
    lines = [json.loads(line) for line in "".join(written).splitlines()]
    home = str(ann.workspace_id)
    assert [
        (line["status"], line.get("user_id"), line.get("workspace_id")) for line in lines
    ] == [
        *[(403, str(member.id), home)] * 2, (200, str(ann.id), home), (401, None, None),
        (404, str(ann.id), None),
    ]  # fmt: skip
    for word in (ann.email, member.email, ann.token, member.token):
        assert word not in "".join(written)
