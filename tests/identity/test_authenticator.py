"""Who asks: what is remembered, and when it is forgotten."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from roost.db.dsn import DatabaseConfig
from roost.errors import ProblemError
from roost.identity import administration
from roost.identity.access import credentials
from roost.identity.access.authenticator import DatabaseAuthenticator
from tests.identity.conftest import Somebody, World, until

ME = "/api/v1/users/me"
_LISTENERS = "select pid from pg_stat_activity where datname = current_database() and query like $1"


async def _statements(world: World, run: Any) -> int:
    """Count the statements that a block sends to the database."""
    count = 0
    read = world.database.read

    async def counted(*args: Any, **values: Any) -> Any:
        nonlocal count
        count += 1
        return await read(*args, **values)

    world.database.read = counted  # type: ignore[method-assign]
    try:
        await run()
    finally:
        world.database.read = read  # type: ignore[method-assign]
    return count


async def test_a_token_is_its_user_in_its_workspace(
    world: World, authenticator: DatabaseAuthenticator, ann: Somebody
) -> None:
    principal = await authenticator.authenticate(ann.token, None, None)
    assert principal is not None
    assert (principal.user_id, principal.workspace_id) == (ann.id, ann.workspace_id)
    assert (principal.kind, principal.role, principal.credential_id) == (
        "token",
        "owner",
        ann.token_id,
    )
    assert "admin" in principal.permissions
    assert await _statements(
        world, lambda: authenticator.authenticate(ann.token, None, None)
    ) == 0  # fmt: skip


@pytest.mark.parametrize("secret", ["", "x", "roost_" + "a" * 38, "\u00e9\udcff".encode(
    "utf-8", "surrogatepass").decode("latin-1")])  # fmt: skip
async def test_what_cannot_be_a_token_never_reaches_the_database(
    world: World, authenticator: DatabaseAuthenticator, secret: str
) -> None:
    async def run() -> None:
        assert await authenticator.authenticate(secret, None, None) is None
        assert await authenticator.authenticate(None, secret, None) is None

    assert await _statements(world, run) == 0


async def test_an_unknown_token_is_nobody(authenticator: DatabaseAuthenticator) -> None:
    assert await authenticator.authenticate(credentials.new_access_token(), None, None) is None
    assert await authenticator.authenticate(None, credentials.new_opaque_secret(), None) is None


async def test_a_session_is_no_bearer_token_and_a_token_no_cookie(
    identity_app: httpx.AsyncClient,
    world: World,
    authenticator: DatabaseAuthenticator,
    ann: Somebody,
) -> None:
    cookie = await world.log_in(identity_app, ann)
    assert await authenticator.authenticate(None, cookie, None) is not None
    assert await authenticator.authenticate(cookie, None, None) is None
    assert await authenticator.authenticate(ann.token, None, None) is not None
    assert await authenticator.authenticate(None, ann.token, None) is None


async def test_a_revoked_token_is_refused_at_once_here_and_soon_by_other_workers(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    async with DatabaseAuthenticator(world.database, world.config) as second_worker:
        await until(lambda: second_worker.cache.enabled)
        assert await second_worker.authenticate(ann.token, None, None) is not None
        other, other_id, _ = await administration.create_token(
            world.owner, "other", ann.email, ["*"]
        )
        by_other = {"authorization": f"Bearer {other}"}
        assert (await identity_app.get(ME, headers=by_other)).status_code == 200
        assert await second_worker.authenticate(other, None, None) is not None
        gone = await identity_app.delete(f"/api/v1/tokens/{other_id}", headers=ann.headers)
        assert gone.status_code == 204
        assert (await identity_app.get(ME, headers=by_other)).status_code == 401

        async def refused() -> bool:
            return await second_worker.authenticate(other, None, None) is None

        await until(refused)
        assert await second_worker.authenticate(ann.token, None, None) is not None


@pytest.mark.parametrize(
    "change",
    [
        "update users set is_active = false where id = $1",
        "update access_tokens set revoked_at = now() where user_id = $1",
        "update access_tokens set expires_at = now() where user_id = $1",
        "delete from access_tokens where user_id = $1",
        "delete from memberships where user_id = $1",
        "update workspaces set deleted_at = now() where created_by = $1",
    ],
)
async def test_any_change_of_rights_in_the_database_is_heard(
    world: World, authenticator: DatabaseAuthenticator, ann: Somebody, change: str
) -> None:
    assert await authenticator.authenticate(ann.token, None, None) is not None
    await world.owner.execute(change, ann.id)

    async def refused() -> bool:
        return await authenticator.authenticate(ann.token, None, None) is None

    await until(refused)


async def test_a_smaller_role_is_heard(
    world: World, authenticator: DatabaseAuthenticator, ann: Somebody
) -> None:
    member = await world.member(ann, "m@example.test", "admin", ["*"])
    before = await authenticator.authenticate(member.token, None, None)
    assert before is not None
    assert before.is_admin
    await world.owner.execute(
        "update memberships set role = 'viewer' where user_id = $1", member.id
    )

    async def smaller() -> bool:
        now = await authenticator.authenticate(member.token, None, None)
        return now is not None and now.role == "viewer" and not now.is_admin

    await until(smaller)


async def test_nothing_is_remembered_while_changes_cannot_be_heard(
    world: World, authenticator: DatabaseAuthenticator, ann: Somebody
) -> None:
    await authenticator.authenticate(ann.token, None, None)
    # The database refuses new connections of the pool's role, and ends the listener's.
    await world.owner.execute("select 1")
    superuser = await asyncpg.connect(world.config.url.replace("roost_app", "postgres"))
    try:
        name = await superuser.fetchval("select quote_ident(current_database())")
        await superuser.execute(f"alter database {name} connection limit 0")
        [listener] = await superuser.fetch(_LISTENERS, "LISTEN%")
        await superuser.fetchval("select pg_terminate_backend($1)", listener["pid"])
        await until(lambda: not authenticator.cache.enabled)

        async def run() -> None:
            assert await authenticator.authenticate(ann.token, None, None) is not None

        assert await _statements(world, run) == 1
        assert await _statements(world, run) == 1
        await world.owner.execute("update access_tokens set revoked_at = now()")
        assert await authenticator.authenticate(ann.token, None, None) is None
        await superuser.execute(f"alter database {name} connection limit -1")
        await until(lambda: authenticator.cache.enabled)
    finally:
        await superuser.close()


async def test_behind_pgbouncer_nothing_is_remembered(world: World, ann: Somebody) -> None:
    config = DatabaseConfig(world.config.url, pgbouncer=True)
    async with DatabaseAuthenticator(world.database, config) as running:
        await asyncio.sleep(0)
        assert await running.authenticate(ann.token, None, None) is not None
        assert not running.cache.enabled


async def test_a_change_during_the_look_up_wins(
    world: World, authenticator: DatabaseAuthenticator, ann: Somebody
) -> None:
    read = world.database.read

    async def slow(*args: Any, **values: Any) -> Any:
        row = await read(*args, **values)
        await world.owner.execute("update access_tokens set revoked_at = now()")
        before = authenticator.cache.generation
        await until(lambda: authenticator.cache.generation > before - 1 and heard())
        return row

    generation = authenticator.cache.generation

    def heard() -> bool:
        return authenticator.cache.generation > generation

    world.database.read = slow  # type: ignore[method-assign]
    assert await authenticator.authenticate(ann.token, None, None) is not None
    world.database.read = read  # type: ignore[method-assign]
    assert await authenticator.authenticate(ann.token, None, None) is None


async def test_an_expiry_ends_what_is_remembered(
    world: World, authenticator: DatabaseAuthenticator, ann: Somebody
) -> None:
    await world.owner.execute(
        "update access_tokens set expires_at = now() + interval '300 milliseconds'"
    )
    generation = authenticator.cache.generation
    await until(lambda: authenticator.cache.generation >= generation)
    assert await authenticator.authenticate(ann.token, None, None) is not None

    async def refused() -> bool:
        return await authenticator.authenticate(ann.token, None, None) is None

    await until(refused)


async def test_a_session_left_alone_or_too_old_ends(
    identity_app: httpx.AsyncClient,
    world: World,
    authenticator: DatabaseAuthenticator,
    ann: Somebody,
) -> None:
    for change in ("last_seen_at = now() - interval '8 days'", "expires_at = now()"):
        cookie = await world.log_in(identity_app, ann)
        await world.owner.execute(f"update sessions set {change}")
        authenticator.cache.forget()
        assert await authenticator.authenticate(None, cookie, None) is None


async def test_a_session_chooses_among_its_users_workspaces(
    identity_app: httpx.AsyncClient,
    world: World,
    authenticator: DatabaseAuthenticator,
    ann: Somebody,
    bob: Somebody,
) -> None:
    cookie = await world.log_in(identity_app, bob)
    await world.owner.execute(
        "insert into memberships (workspace_id, id, user_id, role, created_at) "
        "values ($1, $2, $3, 'viewer', '2000-01-01')",
        ann.workspace_id,
        uuid4(),
        bob.id,
    )
    slug = await world.owner.fetchval("select slug from workspaces where id = $1", ann.workspace_id)

    async def role(wanted: str | None) -> tuple[UUID, str]:
        found = await authenticator.authenticate(None, cookie, wanted)
        assert found is not None
        return found.workspace_id, found.role

    assert await role(None) == (bob.workspace_id, "owner")
    assert await role(str(bob.workspace_id)) == (bob.workspace_id, "owner")
    assert await role(str(ann.workspace_id).upper()) == (ann.workspace_id, "viewer")
    assert await role(slug) == (ann.workspace_id, "viewer")
    for unknown in (str(uuid4()), "no-such", "%", "x" * 5000):
        with pytest.raises(ProblemError, match="no such workspace"):
            await authenticator.authenticate(None, cookie, unknown)


async def test_a_token_is_bound_to_its_workspace(
    identity_app: httpx.AsyncClient, ann: Somebody, bob: Somebody
) -> None:
    own = await identity_app.get(
        ME, headers={**ann.headers, "roost-workspace": str(ann.workspace_id)}
    )
    assert own.status_code == 200
    for other in (str(bob.workspace_id), str(uuid4())):
        answer = await identity_app.get(ME, headers={**ann.headers, "roost-workspace": other})
        assert (answer.status_code, answer.json()["code"]) == (404, "WORKSPACE_NOT_FOUND")


async def test_only_a_token_for_everything_reaches_its_users_other_workspaces(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    made = await identity_app.post(
        "/api/v1/workspaces", json={"name": "Second", "slug": "second"}, headers=ann.headers
    )
    second = made.json()["data"]["id"]
    narrow, _, _ = await administration.create_token(
        world.owner, "narrow", ann.email, ["users:*"], ann.workspace_id
    )
    for token, status in ((ann.token, 200), (narrow, 404)):
        for wanted in (second, "second"):
            headers = {"authorization": f"Bearer {token}", "roost-workspace": wanted}
            answer = await identity_app.get(ME, headers=headers)
            assert answer.status_code == status, (token == narrow, wanted)
    listed = await identity_app.get(
        "/api/v1/tokens", headers={**ann.headers, "roost-workspace": second}
    )
    assert listed.json()["data"] == [], "the token's own row stays where it was made"


async def test_use_of_a_token_elsewhere_is_noted_where_it_was_made(
    world: World, authenticator: DatabaseAuthenticator, ann: Somebody, bob: Somebody
) -> None:
    await world.owner.execute(
        "insert into memberships (workspace_id, id, user_id, role) values ($1, $2, $2, 'viewer')",
        bob.workspace_id,
        ann.id,
    )
    found = await authenticator.authenticate(ann.token, None, str(bob.workspace_id))
    assert found is not None
    assert (found.workspace_id, found.role) == (bob.workspace_id, "viewer")
    assert found.bound_to == ann.workspace_id
    await authenticator.usage.flush()
    last_used = "select last_used_at from access_tokens where id = $1"
    assert await world.owner.fetchval(last_used, ann.token_id) is not None


async def test_use_is_noted_later_and_at_most_once_a_minute(
    world: World, authenticator: DatabaseAuthenticator, ann: Somebody
) -> None:
    last_used = "select last_used_at from access_tokens where id = $1"
    await authenticator.authenticate(ann.token, None, None)
    assert await world.owner.fetchval(last_used, ann.token_id) is None
    await authenticator.usage.flush()
    first = await world.owner.fetchval(last_used, ann.token_id)
    assert first is not None
    second_worker = DatabaseAuthenticator(world.database)
    for one in (authenticator, second_worker):
        await one.authenticate(ann.token, None, None)
        await one.usage.flush()
    assert await world.owner.fetchval(last_used, ann.token_id) == first


async def test_a_failing_note_fails_no_request(
    world: World, ann: Somebody, caplog: pytest.LogCaptureFixture
) -> None:
    authenticator = DatabaseAuthenticator(world.database)
    assert await authenticator.authenticate(ann.token, None, None) is not None
    await world.owner.execute("alter table access_tokens rename to hidden")
    await authenticator.usage.flush()
    assert "could not be noted" in caplog.text
