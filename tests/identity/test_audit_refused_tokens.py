"""Tokens that are refused: told in the audit trail, within bounds."""

import asyncio

import httpx
import pytest

from roost.identity.access import credentials
from roost.identity.access.authenticator import DatabaseAuthenticator
from roost.identity.routes import IdentityRoutes
from tests.identity.conftest import Somebody, World
from tests.identity.test_audit import API, events, path
from tests.identity.test_audit import rooms as rooms  # noqa: PLC0414 -- a fixture
from tests.support.app import BASE, served

_DEACTIVATE = """
update users set is_active = false from access_tokens t where t.user_id = users.id and t.id = $1
"""


async def flush(authenticator: DatabaseAuthenticator, caplog: pytest.LogCaptureFixture) -> None:
    """Note what was refused, and have the log caught that tells of the rest."""
    with caplog.at_level("INFO", logger="roost.identity"):
        await authenticator.refusals.flush()


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
    await flush(authenticator, caplog)
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
    await flush(authenticator, caplog)
    assert "10 tokens that nobody has, or had, were refused" in caplog.text
    assert "240 refused tokens were too many at once to look into" in caplog.text
    told = await world.owner.fetch("select * from audit_events where action = 'login.failed'")
    assert [(row["credential_id"], row["address"]) for row in told] == [(ann.token_id, "192.0.2.1")]
    await use(credentials.new_access_token(), "2001:db8::1")
    await flush(authenticator, caplog)
    assert "1 tokens that nobody" in caplog.text, "after a flush there is room again"


async def test_tokens_of_many_addresses_are_bounded_together(
    rooms: httpx.AsyncClient, authenticator: DatabaseAuthenticator, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(210):
        transport = httpx.ASGITransport(app=rooms._transport.app, client=(f"192.0.2.{number}", 1))  # type: ignore[attr-defined]
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            by = {"authorization": f"Bearer {credentials.new_access_token()}"}
            assert (await client.get(f"{API}/users/me", headers=by)).status_code == 401
    await flush(authenticator, caplog)
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
