"""A user takes along all that is stored of them, and nothing of anybody else's."""

import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import msgspec
import pytest
from sqlalchemy import Column, MetaData, Table, Uuid
from sqlalchemy.types import LargeBinary

from roost.db.metadata import metadata
from roost.identity import administration
from roost.identity.users import personal_data
from roost.identity.users.export_routes import Export
from roost.identity.users.personal_data import (
    FATES,
    PAGE,
    columns_naming,
    exported_tables,
    theirs,
    unclassified,
)
from roost.web.reply import Streamed
from roost.web.structs import camel
from tests.db.rows import fill
from tests.identity.conftest import Somebody, World

ANN, BOB = "amaranth", "bergamot"


@pytest.fixture
async def all_seeing(fresh_roost_database: str) -> AsyncIterator[Any]:
    """The superuser, whom no policy binds."""
    connection = await asyncpg.connect(fresh_roost_database)
    yield connection
    await connection.close()


async def token_of(world: World, user: UUID) -> dict[str, str]:
    address = await world.owner.fetchval("select email from users where id = $1", user)
    secret, _, _ = await administration.create_token(world.owner, "t", address, ["*"])
    return {"authorization": f"Bearer {secret}"}


async def exported(client: httpx.AsyncClient, user: UUID, headers: dict[str, str]) -> Any:
    answer = await client.get(f"/api/v1/users/{user}/export", headers=headers)
    assert answer.status_code == 200, answer.text
    msgspec.json.decode(answer.content, type=Export)
    return answer.json()


def test_every_table_has_a_fate() -> None:
    assert set(FATES) == set(metadata.tables), "say in FATES what an erasure does to it"
    assert unclassified() == []
    assert {fate for fate, _ in FATES.values()} == {"deleted", "unnamed", "kept"}


@pytest.mark.parametrize("column", ["user_id", "actor_id", "reviewed_by", "linking_user_id"])
def test_a_new_table_that_names_a_user_is_found(
    monkeypatch: pytest.MonkeyPatch, column: str
) -> None:
    other = MetaData()
    made = Table(
        "notes", other, Column("workspace_id", Uuid, primary_key=True),
        Column("id", Uuid, primary_key=True), Column(column, Uuid),
    )  # fmt: skip
    monkeypatch.setattr(personal_data, "metadata", other)
    assert unclassified() == ["notes"]
    assert exported_tables(of_workspace=True) == [made]


def test_a_table_that_names_nobody_is_not_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    other = MetaData()
    Table("notes", other, Column("id", Uuid, primary_key=True), Column("title_id", Uuid))
    monkeypatch.setattr(personal_data, "metadata", other)
    assert unclassified() == []
    assert exported_tables(of_workspace=False) == []


def test_rows_that_hang_on_a_users_are_theirs_too() -> None:
    assert columns_naming(metadata.tables["migration_items"]) == []
    assert theirs(metadata.tables["migration_items"]) is not None
    assert theirs(metadata.tables["environment_secrets"]) is None


async def test_it_has_a_row_of_every_table_that_names_them_and_no_credential(
    world: World, identity_app: httpx.AsyncClient, fresh_roost_database: str, all_seeing: Any
) -> None:
    ann, bob = await fill(fresh_roost_database, ANN), await fill(fresh_roost_database, BOB)
    await all_seeing.execute(
        "insert into memberships (workspace_id, id, user_id, role) values ($1, $2, $3, 'member')",
        ann["workspaces"], uuid4(), bob["users"],
    )  # fmt: skip
    document = await exported(identity_app, ann["users"], await token_of(world, ann["users"]))
    (workspace,) = document["workspaces"]
    assert workspace["workspaceId"] == str(ann["workspaces"])
    found = document["account"] | workspace["tables"]
    for table in metadata.tables.values():
        # What is under way shows itself to none but the browser that began it.
        if theirs(table) is None or table.name in {"workspaces", "login_attempts"}:
            continue
        rows = found[camel(table.name)]
        key = "identityId" if table.name == "provider_tokens" else "id"
        assert str(ann[table.name]) in {row[key] for row in rows}, table.name
        for column in table.columns:
            if isinstance(column.type, LargeBinary):
                assert camel(column.name) not in rows[0]
    assert found["users"][0]["email"].startswith(ANN)
    assert BOB not in json.dumps(document)
    assert str(bob["users"]) not in json.dumps(document)
    assert document["complete"] is True
    assert datetime.fromisoformat(document["exportedAt"]).tzinfo is not None


async def test_secrets_are_not_in_it(
    world: World, identity_app: httpx.AsyncClient, ann: Somebody
) -> None:
    cookie = await world.log_in(identity_app, ann)
    made = await identity_app.post(
        "/api/v1/tokens", json={"name": "mine"}, headers=ann.headers | {"idempotency-key": "k"}
    )
    secret = made.json()["data"]["token"]
    text = json.dumps(await exported(identity_app, ann.id, {"cookie": f"roost_session={cookie}"}))
    assert '"mine"' in text
    hashes = [
        row["token_hash"].hex()
        for table in ("access_tokens", "sessions", "login_links")
        for row in await world.owner.fetch(f"select token_hash from {table}")
    ]
    for credential in (cookie, secret, ann.token, *hashes):
        assert credential not in text


async def test_it_comes_page_by_page_however_much_there_is(
    world: World, identity_app: httpx.AsyncClient, ann: Somebody, all_seeing: Any
) -> None:
    many = 2 * PAGE + 7
    await all_seeing.execute(
        "insert into tasks (workspace_id, id, title, created_by)"
        " select $1, gen_random_uuid(), 'no. ' || n, $2 from generate_series(1, $3) n",
        ann.workspace_id, ann.id, many,
    )  # fmt: skip
    # A page that is just full, too.
    await all_seeing.execute(
        "insert into documents (workspace_id, id, user_id, kind, key, content)"
        " select $1, gen_random_uuid(), $2, 'draft', 'k', 'x' from generate_series(1, $3) n",
        ann.workspace_id, ann.id, PAGE,
    )  # fmt: skip
    document = await exported(identity_app, ann.id, ann.headers)
    tables = document["workspaces"][0]["tables"]
    assert {task["title"] for task in tables["tasks"]} == {f"no. {n + 1}" for n in range(many)}
    assert len(tables["documents"]) == PAGE
    del world


async def test_it_covers_every_workspace_and_shows_only_own_rows_there(
    world: World, identity_app: httpx.AsyncClient, ann: Somebody, bob: Somebody, all_seeing: Any
) -> None:
    await all_seeing.execute(
        "insert into memberships (workspace_id, id, user_id, role) values ($1, $2, $3, 'viewer')",
        bob.workspace_id, uuid4(), ann.id,
    )  # fmt: skip
    task = "insert into tasks (workspace_id, id, title, created_by) values ($1, $2, $3, $4)"
    for title, who in (("bob's secret plan", bob.id), ("ann's part", ann.id)):
        await all_seeing.execute(task, bob.workspace_id, uuid4(), title, who)
    document = await exported(identity_app, ann.id, ann.headers)
    homes = {home["workspaceId"]: home["tables"] for home in document["workspaces"]}
    assert set(homes) == {str(ann.workspace_id), str(bob.workspace_id)}
    assert [row["title"] for row in homes[str(bob.workspace_id)]["tasks"]] == ["ann's part"]
    members = homes[str(bob.workspace_id)]["memberships"]
    assert [row["userId"] for row in members] == [str(ann.id)]
    del world


async def test_others_cannot_have_it(
    world: World, identity_app: httpx.AsyncClient, ann: Somebody, bob: Somebody
) -> None:
    member = await world.member(ann, "mel@example.test", "member", ["*"])
    narrow = await world.member(ann, "ned@example.test", "member", ["users:read"])

    async def tried(who: Somebody, whom: UUID) -> int:
        answer = await identity_app.get(f"/api/v1/users/{whom}/export", headers=who.headers)
        return answer.status_code

    assert await tried(ann, bob.id) == 404
    assert await tried(ann, uuid4()) == 404
    assert await tried(ann, member.id) == 403
    assert await tried(narrow, narrow.id) == 403
    assert (await identity_app.get(f"/api/v1/users/{ann.id}/export")).status_code == 401
    assert await world.owner.fetchval(
        "select count(*) from audit_events where action = 'data.exported'"
    ) == 0  # fmt: skip


async def test_it_is_a_file_that_no_cache_keeps_and_is_noted(
    world: World, identity_app: httpx.AsyncClient, ann: Somebody
) -> None:
    path = f"/api/v1/users/{ann.id}/export"
    head = await identity_app.head(path, headers=ann.headers)
    assert (head.status_code, head.content) == (200, b"")
    answer = await identity_app.get(path, headers=ann.headers)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-disposition"] == f'attachment; filename="roost-{ann.id}.json"'
    assert answer.headers["cache-control"] == "no-store"
    (event,) = await world.owner.fetch("select * from audit_events where action = 'data.exported'")
    assert (event["actor_id"], event["target_id"]) == (ann.id, str(ann.id))
    assert event["workspace_id"] == ann.workspace_id


async def test_a_deleted_workspace_is_neither_read_nor_told(
    world: World, identity_app: httpx.AsyncClient, ann: Somebody, bob: Somebody
) -> None:
    cyd = await world.somebody("cyd@example.test")
    for place in (bob, cyd):
        await world.owner.execute(
            "insert into memberships (workspace_id, id, user_id, role)"
            " values ($1, gen_random_uuid(), $2, 'member')",
            place.workspace_id,
            ann.id,
        )
    await world.owner.execute(
        "update workspaces set deleted_at = now() where id = $1", cyd.workspace_id
    )
    document = await exported(identity_app, ann.id, ann.headers)
    live = {ann.workspace_id: "127.0.0.1", bob.workspace_id: None}
    assert [one["workspaceId"] for one in document["workspaces"]] == sorted(map(str, live))
    assert str(cyd.workspace_id) not in json.dumps(document)
    told = await world.owner.fetch(
        "select workspace_id, address from audit_events where action = 'data.exported'"
    )
    assert {row["workspace_id"]: row["address"] for row in told} == live


async def test_an_export_that_fails_on_its_way_is_cut_off() -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"{"
        message = "gone"
        raise ConnectionError(message)

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    with pytest.raises(ConnectionError):
        await Streamed(parts())({"method": "GET"}, None, send)
    assert sent[-1]["more_body"], "the server sees that it is not whole"
