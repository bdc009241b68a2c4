"""`roost token create`: what it makes, and what it refuses."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from roost.db.roles import OWNER_ROLE
from roost.identity.access import credentials
from tests.support.schema import as_role
from tests.support.server import run

EMAIL = "ann@example.test"


@pytest.fixture
def database(fresh_roost_database: str) -> str:
    """The owner's URL of a database with one user."""
    url = as_role(fresh_roost_database, OWNER_ROLE)
    made = run("user", "create", EMAIL, "--database-url", url)
    assert made.returncode == 0, made.stderr
    return url


def create(database: str, *options: str) -> dict[str, Any]:
    done = run("token", "create", "--name", "x", "--json", "--database-url", database, *options)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert document.keys() == {"token", "id", "workspaceId"}
    return document


def stored(database: str, secret: str) -> Any:
    async def read() -> Any:
        connection = await asyncpg.connect(database)
        try:
            return await connection.fetchrow(
                "select t.scopes, t.expires_at, u.kind, u.email, m.role from access_tokens t "
                "join users u on u.id = t.user_id join memberships m on m.user_id = u.id "
                "where t.token_hash = $1",
                credentials.digest(secret),
            )
        finally:
            await connection.close()

    return asyncio.run(read())


def test_a_plain_token_is_its_users_and_never_expires(database: str) -> None:
    row = stored(database, create(database)["token"])
    assert (row["kind"], row["email"], row["role"]) == ("person", EMAIL, "owner")
    assert (row["scopes"], row["expires_at"]) == (["*"], None)


def test_a_service_token_is_a_new_agents_with_its_role_and_its_end(database: str) -> None:
    options = ("--service", "--role", "viewer", "--scope", "tasks:read", "--expires-in", "30")
    row = stored(database, create(database, *options)["token"])
    assert (row["kind"], row["role"], row["scopes"]) == ("agent", "viewer", ["tasks:read"])
    left = row["expires_at"] - datetime.now(UTC)
    assert timedelta(days=29, hours=23) < left <= timedelta(days=30)
    assert stored(database, create(database, "--service")["token"])["role"] == "member"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--role", "admin"), "--service"),
        (("--service", "--role", "owner"), "owner"),
        (("--expires-in", "0"), "--expires-in"),
        (("--expires-in", "soon"), "--expires-in"),
        (("--scope", "bogus"), "tasks:read"),
        (("--name", ""), "1 to 100 characters"),
        (("--name", "\u200b "), "can be seen"),
        (("--name", "x" * 101), "1 to 100 characters"),
    ],
)
def test_what_makes_no_sense_is_a_wrong_call(options: tuple[str, ...], said: str) -> None:
    done = run("token", "create", "--name", "x", *options)
    assert done.returncode == 2
    # The message is in a box, whose lines break anywhere.
    assert said in " ".join(done.stderr.replace("│", " ").split())
