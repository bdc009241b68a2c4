"""The audit trail: what is in it, who reads it, and that nobody changes it."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from roost.db.pool import Transaction
from roost.db.sealing import SecretBox
from roost.db.tenancy import Context
from roost.environments.routes import EnvironmentRoutes
from roost.identity.access import credentials
from roost.identity.access.authenticator import DatabaseAuthenticator
from roost.identity.audit.trail import ACTIONS, Trail
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
_DEACTIVATE = """
update users set is_active = false from access_tokens t where t.user_id = users.id and t.id = $1
"""


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


async def test_only_admins_read_it_and_nobody_of_elsewhere(
    rooms: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    for role, status in (("admin", 200), ("member", 403), ("viewer", 403)):
        somebody = await world.member(ann, f"{role}@example.test", role, ["*"])
        answer = await rooms.get(path(ann), headers=somebody.headers)
        assert answer.status_code == status, role
    foreign = await rooms.get(path(ann), headers=bob.headers)
    assert (foreign.status_code, foreign.json()["code"]) == (404, "WORKSPACE_NOT_FOUND")
    unknown = await rooms.get(f"{API}/workspaces/{uuid4()}/audit", headers=bob.headers)
    assert unknown.json()["detail"] == foreign.json()["detail"]
    assert (await rooms.get(path(ann))).status_code == 401


async def test_a_workspaces_list_has_its_own_events_alone(
    rooms: httpx.AsyncClient, ann: Somebody, bob: Somebody
) -> None:
    for somebody in (ann, bob):
        await rooms.post(f"{API}/tokens", json={"name": somebody.email}, headers=somebody.headers)
    for somebody, other in ((ann, bob), (bob, ann)):
        found = await events(rooms, somebody)
        # The operator, who made them, is nobody.
        assert {event["actorId"] for event in found} == {str(somebody.id), None}
        assert other.email not in json.dumps(found)
        filtered = await events(rooms, somebody, actor=str(other.id))
        assert filtered == []
    elsewhere = {**ann.headers, "roost-workspace": str(bob.workspace_id)}
    answer = await rooms.get(path(ann), headers=elsewhere)
    assert {event["actorId"] for event in answer.json()["data"]} == {str(ann.id), None}


async def _record(world: World, ann: Somebody, count: int) -> None:
    async def work(transaction: Transaction) -> None:
        for number in range(count):
            trail = Trail(ann.workspace_id, ann.id if number % 2 else uuid4())
            action = list(ACTIONS)[number % 3]
            outcome: Any = "failure" if number % 4 == 0 else "success"
            await trail.record(
                transaction, action, ("thing", number), outcome=outcome, number=number
            )

    await world.database.write(Context(ann.workspace_id, ann.id), work)


async def test_the_newest_come_first_and_pages_give_each_once(
    rooms: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    # One transaction: all of one moment, so that only the id tells them apart.
    await _record(world, ann, 25)
    for start in ({}, {"action": "login.succeeded"}):
        found: list[Event] = []
        query: dict[str, Any] = {"limit": 4, **start}
        while True:
            page = (await rooms.get(path(ann), params=query, headers=ann.headers)).json()
            found += page["data"]
            if page["pagination"]["nextCursor"] is None:
                break
            query["cursor"] = page["pagination"]["nextCursor"]
        assert len({event["id"] for event in found}) == len(found) == page["pagination"]["total"]
        assert found == sorted(found, key=lambda one: (one["at"], one["id"]), reverse=True)


async def test_events_are_found_by_each_filter(
    rooms: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    await _record(world, ann, 12)
    every = await events(rooms, ann, limit=100)
    some = list(ACTIONS)[:2]
    for query, fits in (
        ({"action": some[0]}, lambda one: one["action"] == some[0]),
        ({"action": ",".join(some)}, lambda one: one["action"] in some),
        ({"action": some}, lambda one: one["action"] in some),
        ({"actor": str(ann.id)}, lambda one: one["actorId"] == str(ann.id)),
        ({"targetType": "thing"}, lambda one: one["target"]["type"] == "thing"),
        ({"target_id": "3"}, lambda one: one["target"]["id"] == "3"),
        ({"outcome": "failure"}, lambda one: one["outcome"] == "failure"),
    ):
        found = await events(rooms, ann, limit=100, **query)
        assert found == [one for one in every if fits(one)], query
        assert 0 < len(found) < len(every), query
    strangers = [one for one in every if one["actorId"] != str(ann.id)]
    assert {one["actor"] for one in strangers} == {None}
    newest = datetime.fromisoformat(every[0]["at"])
    middle = (newest - timedelta(microseconds=1)).isoformat()
    later = await events(rooms, ann, limit=100, after=middle)
    earlier = await events(rooms, ann, limit=100, before=every[0]["at"])
    assert later + earlier == every
    assert len(later) == 12


@pytest.mark.parametrize(
    "query",
    ["action=tasks.flown", "actor=ann", "outcome=perhaps", "after=yesterday", "before=5", "sort=at",
     "cursor=AAAA", "after=2026-01-01T00:00:00", "limit=0", "who=me"],
)  # fmt: skip
async def test_a_bad_filter_is_named(rooms: httpx.AsyncClient, ann: Somebody, query: str) -> None:
    answer = await rooms.get(f"{path(ann)}?{query}", headers=ann.headers)
    assert answer.status_code == 400, answer.text
    [error] = answer.json()["errors"]
    assert error["field"].startswith(query.partition("=")[0])
    if query.startswith("action"):
        assert all(action in error["message"] for action in ACTIONS)


async def test_an_action_that_is_not_in_the_catalogue_is_refused(
    world: World, ann: Somebody
) -> None:
    async def work(transaction: Transaction) -> None:
        await Trail(ann.workspace_id, ann.id).record(transaction, "cake.eaten")

    with pytest.raises(ValueError, match=r"cake\.eaten"):
        await world.database.write(Context(ann.workspace_id, ann.id), work)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("update access_tokens set revoked_at = now() where id = $1", "revoked"),
        ("update access_tokens set expires_at = now() where id = $1", "expired"),
        (_DEACTIVATE, "deactivated"),
    ],
)
async def test_a_token_that_was_good_once_is_told_when_it_is_refused_once_a_minute(  # noqa: PLR0913, PLR0917 -- cases and fixtures
    rooms: httpx.AsyncClient,
    world: World,
    authenticator: DatabaseAuthenticator,
    ann: Somebody,
    change: str,
    reason: str,
) -> None:
    member = await world.member(ann, "m@example.test", "member", ["*"])
    await world.owner.execute(change, member.token_id)
    authenticator.cache.forget()
    for _ in range(5):
        answer = await rooms.get(f"{API}/users/me", headers=member.headers)
        assert answer.status_code == 401
    assert await events(rooms, ann, outcome="failure") == [], "not on the request's path"
    await authenticator.refusals.flush()
    second_worker = DatabaseAuthenticator(world.database)
    async with served(
        world.database,
        second_worker,
        lambda kit: IdentityRoutes(kit, second_worker).endpoints(),
        second_worker.refusals.note,
    ) as client:
        assert (await client.get(f"{API}/users/me", headers=member.headers)).status_code == 401
    await asyncio.gather(authenticator.refusals.flush(), second_worker.refusals.flush())
    [event] = await events(rooms, ann, action="login.failed")
    assert (event["outcome"], event["details"]) == ("failure", {"reason": reason})
    assert event["target"] == {"type": "token", "id": str(member.token_id)}
    assert (event["actorId"], event["address"]) == (str(member.id), "127.0.0.1")
    assert event["credentialId"] == str(member.token_id)


async def test_two_workers_that_note_a_refusal_at_once_write_it_once(
    rooms: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    secret = (await rooms.post(f"{API}/tokens", json={"name": "x"}, headers=ann.headers)).json()
    token = secret["data"]
    await rooms.delete(f"{API}/tokens/{token['id']}", headers=ann.headers)
    workers = [DatabaseAuthenticator(world.database) for _ in range(4)]
    for worker in workers:
        async with served(
            world.database,
            worker,
            lambda kit, worker=worker: IdentityRoutes(kit, worker).endpoints(),  # type: ignore[misc]
            worker.refusals.note,
        ) as client:
            by = {"authorization": f"Bearer {token['token']}"}
            assert (await client.get(f"{API}/users/me", headers=by)).status_code == 401
    await asyncio.gather(*(worker.refusals.flush() for worker in workers))
    assert len(await events(rooms, ann, action="login.failed")) == 1


async def test_a_token_that_nobody_has_is_a_line_in_the_log(
    rooms: httpx.AsyncClient,
    world: World,
    authenticator: DatabaseAuthenticator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = await world.owner.fetchval("select count(*) from audit_events")
    for secret in (credentials.new_access_token(), "roost_nonsense", ""):
        by = {"authorization": f"Bearer {secret}"}
        assert (await rooms.get(f"{API}/users/me", headers=by)).status_code == 401
    with caplog.at_level("INFO", logger="roost.identity"):
        await authenticator.refusals.flush()
    assert "1 tokens that nobody has, or had, were refused" in caplog.text
    assert await world.owner.fetchval("select count(*) from audit_events") == before


async def test_made_up_tokens_of_one_address_hide_no_stolen_one_of_another(
    rooms: httpx.AsyncClient,
    world: World,
    authenticator: DatabaseAuthenticator,
    ann: Somebody,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await world.owner.execute("update access_tokens set revoked_at = now()")
    authenticator.cache.forget()

    async def use(token: str, address: str) -> None:
        transport = httpx.ASGITransport(app=rooms._transport.app, client=(address, 1))  # type: ignore[attr-defined]
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            by = {"authorization": f"Bearer {token}"}
            assert (await client.get(f"{API}/users/me", headers=by)).status_code == 401

    for number in range(250):
        # All of one site: its hosts count together.
        await use(credentials.new_access_token(), f"2001:db8::{number % 50:x}")
    await use(ann.token, "192.0.2.1")
    with caplog.at_level("INFO", logger="roost.identity"):
        await authenticator.refusals.flush()
    assert "10 tokens that nobody has, or had, were refused" in caplog.text
    assert "240 refused tokens were too many at once to look into" in caplog.text
    told = await world.owner.fetch("select * from audit_events where action = 'login.failed'")
    assert [(row["credential_id"], row["address"]) for row in told] == [(ann.token_id, "192.0.2.1")]
    await use(credentials.new_access_token(), "2001:db8::1")
    with caplog.at_level("INFO", logger="roost.identity"):
        await authenticator.refusals.flush()
    assert "1 tokens that nobody" in caplog.text, "after a flush there is room again"


async def test_tokens_of_many_addresses_are_bounded_together(
    rooms: httpx.AsyncClient, authenticator: DatabaseAuthenticator, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(210):
        transport = httpx.ASGITransport(app=rooms._transport.app, client=(f"192.0.2.{number}", 1))  # type: ignore[attr-defined]
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            by = {"authorization": f"Bearer {credentials.new_access_token()}"}
            assert (await client.get(f"{API}/users/me", headers=by)).status_code == 401
    with caplog.at_level("INFO", logger="roost.identity"):
        await authenticator.refusals.flush()
    assert "200 tokens that nobody has, or had, were refused" in caplog.text
    assert "10 refused tokens were too many" in caplog.text


async def test_a_refusal_that_cannot_be_noted_fails_nothing(
    rooms: httpx.AsyncClient,
    world: World,
    authenticator: DatabaseAuthenticator,
    ann: Somebody,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await world.owner.execute("update access_tokens set revoked_at = now()")
    authenticator.cache.forget()
    assert (await rooms.get(path(ann), headers=ann.headers)).status_code == 401
    await world.owner.execute("alter table audit_events rename to hidden")
    await authenticator.refusals.flush()
    assert "could not be noted" in caplog.text
