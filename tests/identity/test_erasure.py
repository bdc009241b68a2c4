"""After an erasure no word of the user's is left, and nobody else has lost one."""

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from roost.db.metadata import metadata
from roost.db.pool import Transaction
from roost.db.tenancy import Context
from roost.errors import ProblemError
from roost.identity import administration
from roost.identity.audit.trail import Trail
from roost.identity.users.erasure import erase_user
from roost.identity.users.personal_data import FATES, columns_naming
from roost.journal.entry import ENTRY_COLUMNS, entries_of, load_layouts
from tests.db.rows import fill, plant, row_of
from tests.identity.conftest import Somebody, World

ANN, BOB = "amaranth", "bergamot"
SHARED_WORK = {name for name, (fate, _) in FATES.items() if fate == "kept"}
TABLES = """
select n.nspname || '.' || c.relname as name from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where n.nspname in ('public', 'journal') and c.relkind in ('r', 'p') and not c.relispartition
order by 1
"""


@pytest.fixture
async def all_seeing(fresh_roost_database: str) -> AsyncIterator[Any]:
    """The superuser, whom no policy binds."""
    connection = await asyncpg.connect(fresh_roost_database)
    yield connection
    await connection.close()


async def holding(all_seeing: Any, words: str) -> set[str]:
    """Name the tables, and in the journal the relations, that hold these words anywhere."""
    found = set()
    for row in await all_seeing.fetch(TABLES):
        if row["name"] != "journal.journal" and await all_seeing.fetchval(
            f"select exists (select from {row['name']} t where t::text ilike '%' || $1 || '%')",
            words,
        ):
            found.add(row["name"].removeprefix("public."))
    journaled = await all_seeing.fetch(
        "select distinct r.name from journal.journal j join journal.relation r on r.id = j.relation"
        " where j::text ilike '%' || $1 || '%'",
        words,
    )
    return found | {f"journal of {row['name']}" for row in journaled}


async def everything(all_seeing: Any, but: Sequence[str] = ()) -> dict[str, list[str]]:
    """Read the whole database."""
    return {
        row["name"]: sorted(
            found[0] for found in await all_seeing.fetch(f"select t::text from {row['name']} t")
        )
        for row in await all_seeing.fetch(TABLES)
        if row["name"] not in but
    }


async def join(all_seeing: Any, workspace: UUID, user: UUID, role: str) -> None:
    await all_seeing.execute(
        "insert into memberships (workspace_id, id, user_id, role) values ($1, $2, $3, $4)",
        workspace, uuid4(), user, role,
    )  # fmt: skip


async def erase(world: World, user: UUID) -> None:
    """Erase somebody as a request of theirs does."""
    context = Context(None, user, cause="test")

    async def work(transaction: Transaction) -> None:
        await erase_user(transaction, user, context, Trail(None, user, None, "192.0.2.7", "Agent"))

    await world.database.write(context, work)


@pytest.fixture
async def rows(world: World, fresh_roost_database: str, all_seeing: Any) -> dict[str, UUID]:
    """Ann's row in each table, in a workspace that she shares with Bob, who owns it too."""
    del world
    ann = await fill(fresh_roost_database, ANN)
    bob = await fill(fresh_roost_database, BOB)
    await join(all_seeing, ann["workspaces"], bob["users"], "owner")
    # Some of an event's texts are of Roost's own making, and none of a user's.
    event = row_of("audit_events", ann, ANN) | {
        "action": "token.created", "target_type": "token", "target_id": str(ann["access_tokens"]),
        "request_id": "00", "details": f'{{"name": "{ANN}"}}',
    }  # fmt: skip
    await all_seeing.execute("delete from audit_events where id = $1", ann["audit_events"])
    await all_seeing.execute(
        "delete from journal.journal where row_id = $1", str(ann["audit_events"])
    )
    await plant(all_seeing, "audit_events", event)
    return ann | {"bob": bob["users"], "elsewhere": bob["workspaces"]}


async def test_no_word_is_left_but_work_in_shared_workspaces(
    world: World, rows: dict[str, UUID], all_seeing: Any
) -> None:
    for table in ("users", "documents", "access_tokens", "migration_items", "idempotency_keys"):
        # A history of several images for some of them.
        text = {"users": "name", "migration_items": "detail"}.get(table, "key")
        column = "name" if table == "access_tokens" else text
        await all_seeing.execute(
            f"update {table} set {column} = $2 where id = $1", rows[table], f'{ANN}, "again" \\ ()'
        )
    before = await holding(all_seeing, ANN)
    wordless = {
        "login_links",
        "memberships",
        "migration_backups",
        "migration_dumps",
        "provider_tokens",
    }
    assert before >= set(FATES) - wordless
    await erase(world, rows["users"])
    left = {name.removeprefix("journal of ") for name in await holding(all_seeing, ANN)}
    assert left <= SHARED_WORK
    assert left >= {"tasks", "messages", "environments"}


async def test_each_table_meets_its_fate(
    world: World, rows: dict[str, UUID], all_seeing: Any
) -> None:
    await erase(world, rows["users"])
    for name, (fate, _) in FATES.items():
        key = "identity_id" if name == "provider_tokens" else "id"
        row = await all_seeing.fetchrow(f"select * from {name} where {key} = $1", rows[name])
        assert (row is None) == (fate == "deleted"), name
        for column in columns_naming(metadata.tables[name]):
            naming = await all_seeing.fetchval(
                f"select count(*) from {name} where {column} = $1", rows["users"]
            )
            assert not naming or fate != "deleted", (name, column)


async def test_who_was_erased_is_a_row_without_a_name(
    world: World, rows: dict[str, UUID], all_seeing: Any
) -> None:
    await erase(world, rows["users"])
    row = await all_seeing.fetchrow("select * from users where id = $1", rows["users"])
    assert row["email"] == f"erased-{rows['users']}@users.noreply.invalid"
    assert (row["name"], row["avatar_url"], row["profile"], row["preferences"]) == (
        "", None, "{}", "{}",
    )  # fmt: skip
    assert not row["is_active"]
    assert row["erased_at"] is not None
    task = await all_seeing.fetchrow("select * from tasks where id = $1", rows["tasks"])
    assert (task["created_by"], task["assignee_id"]) == (rows["users"], None)


async def test_an_address_taken_by_somebody_else_is_no_obstacle(
    world: World, ann: Somebody, bob: Somebody, all_seeing: Any
) -> None:
    await all_seeing.execute(
        "update users set email = $2 where id = $1",
        bob.id,
        f"Erased-{ann.id}@users.noreply.invalid",
    )
    await erase(world, ann.id)
    assert await all_seeing.fetchval("select erased_at from users where id = $1", ann.id)


async def test_nobody_else_loses_a_byte(
    world: World, rows: dict[str, UUID], all_seeing: Any
) -> None:
    async def others() -> dict[str, list[str]]:
        """Read all rows of Bob's workspace, and what is his alone."""
        found = {}
        for table in metadata.sorted_tables:
            column = {"users": "id", "workspaces": "id"}.get(table.name, "workspace_id")
            owner = rows["bob"] if table.name == "users" else rows["elsewhere"]
            if column not in table.columns:
                column, owner = next(iter(columns_naming(table))), rows["bob"]
            found[table.name] = [
                row[0]
                for row in await all_seeing.fetch(
                    f"select t::text from {table.name} t where {column} = $1 order by 1", owner
                )
            ]
            assert found[table.name], table.name
        found["journal"] = [
            row[0]
            for row in await all_seeing.fetch(
                "select j::text from journal.journal j where workspace_id = $1 or row_id = $2::text"
                " order by seq", rows["elsewhere"], str(rows["bob"]),
            )
        ]  # fmt: skip
        return found

    before = await others()
    await erase(world, rows["users"])
    assert await others() == before


async def test_the_audit_trail_keeps_what_and_when(
    world: World, rows: dict[str, UUID], all_seeing: Any
) -> None:
    await plant(
        all_seeing,
        "audit_events",
        row_of("audit_events", {**rows, "audit_events": uuid4(), "users": rows["bob"]}, "x")
        | {
            "target_type": "user", "target_id": str(rows["users"]), "action": "user.added",
            "address": "203.0.113.9", "details": f'{{"email": "{ANN}@example.test"}}',
        },
    )  # fmt: skip
    shown = (
        "select id, at, action, outcome, actor_id, target_id from audit_events"
        " where workspace_id = $1 and action <> 'data.erased' order by id"
    )
    before = await all_seeing.fetch(shown, rows["workspaces"])
    await erase(world, rows["users"])
    assert await all_seeing.fetch(shown, rows["workspaces"]) == before
    events = await all_seeing.fetch(
        "select * from audit_events where workspace_id = $1", rows["workspaces"]
    )
    assert {event["details"] for event in events} == {"{}"}
    assert {event["address"] for event in events} == {None, "203.0.113.9"}, "the other's stays"
    (erased,) = [event for event in events if event["action"] == "data.erased"]
    assert (erased["target_id"], erased["address"]) == (str(rows["users"]), None)


async def test_the_journal_can_be_read_to_its_end(
    world: World, rows: dict[str, UUID], all_seeing: Any
) -> None:
    skeleton = (
        "select seq, xid::text, at, relation, layout, row_id, op, actor_id, workspace_id, old_ctid,"
        " new_ctid, kept from journal.journal where seq <= $1 order by seq"
    )
    newest = await all_seeing.fetchval("select max(seq) from journal.journal")
    before = await all_seeing.fetch(skeleton, newest)
    await erase(world, rows["users"])
    assert await all_seeing.fetch(skeleton, newest) == before
    found = await all_seeing.fetch(f"select {ENTRY_COLUMNS} from journal.journal order by seq")
    entries = await entries_of(all_seeing, found)
    layouts = await load_layouts(all_seeing, {entry.layout for entry in entries})
    for entry in entries:
        for image in (entry.old, entry.new):
            assert image is None or layouts[entry.layout].values(image)


async def test_a_workspace_of_theirs_alone_is_gone_with_its_history(
    world: World, fresh_roost_database: str, all_seeing: Any
) -> None:
    bob = await fill(fresh_roost_database, BOB)
    before = await everything(all_seeing, ["journal.journal", "journal.layout"])
    ann = await fill(fresh_roost_database, ANN)
    await erase(world, ann["users"])
    assert await holding(all_seeing, ANN) == set()
    assert await holding(all_seeing, str(ann["workspaces"])) == set()
    after = await everything(all_seeing, ["journal.journal", "journal.layout"])
    stays = [row for row in after["public.users"] if str(ann["users"]) not in row]
    assert after | {"public.users": stays} == before
    assert bob["users"] != ann["users"]


async def test_agents_that_nobody_is_left_for_go_too(
    world: World, ann: Somebody, all_seeing: Any
) -> None:
    await administration.create_token(
        world.owner, "marker bot", ann.email, ["tasks:read"], agent_role="member"
    )
    await erase(world, ann.id)
    assert await holding(all_seeing, "marker bot") == set()
    assert await all_seeing.fetchval("select count(*) from memberships") == 0
    assert await all_seeing.fetchval("select count(*) from users where erased_at is null") == 0


async def test_the_last_owner_of_a_shared_workspace_must_hand_it_over_first(
    world: World, identity_app: httpx.AsyncClient, ann: Somebody, bob: Somebody, all_seeing: Any
) -> None:
    await join(all_seeing, ann.workspace_id, bob.id, "admin")
    before = await everything(all_seeing)
    path, body = f"/api/v1/users/{ann.id}/erase", {"confirm": ann.email}
    answer = await identity_app.post(path, json=body, headers=ann.headers)
    assert answer.status_code == 409, answer.text
    assert "last owner" in answer.json()["detail"]
    assert await everything(all_seeing) == before
    await all_seeing.execute("update memberships set role = 'owner' where user_id = $1", bob.id)
    answer = await identity_app.post(path, json=body, headers=ann.headers)
    assert answer.status_code == 204, answer.text
    owner = "select created_by from workspaces where id = $1"
    assert await all_seeing.fetchval(owner, ann.workspace_id) == ann.id
    del world


async def test_a_deleted_workspace_keeps_nobody_from_it(
    world: World, ann: Somebody, bob: Somebody, all_seeing: Any
) -> None:
    await join(all_seeing, ann.workspace_id, bob.id, "admin")
    await all_seeing.execute(
        "update workspaces set deleted_at = now() where id = $1", ann.workspace_id
    )
    await erase(world, ann.id)
    assert await all_seeing.fetchval(
        "select count(*) from workspaces where id = $1", ann.workspace_id
    )


async def test_only_oneself_can_be_erased(
    world: World, identity_app: httpx.AsyncClient, ann: Somebody, bob: Somebody, all_seeing: Any
) -> None:
    member = await world.member(ann, "mel@example.test", "member", ["*"])
    narrow = await world.member(ann, "ned@example.test", "member", ["users:write"])
    before = await everything(all_seeing)

    async def tried(who: Somebody, whom: UUID, confirm: str) -> int:
        answer = await identity_app.post(
            f"/api/v1/users/{whom}/erase", json={"confirm": confirm}, headers=who.headers
        )
        return answer.status_code

    assert await tried(ann, bob.id, bob.email) == 404, "a stranger"
    assert await tried(ann, member.id, member.email) == 403, "an owner's member"
    assert await tried(member, ann.id, ann.email) == 403
    assert await tried(narrow, narrow.id, narrow.email) == 403, "a narrow token"
    assert await tried(ann, ann.id, bob.email) == 400, "another address"
    assert await everything(all_seeing) == before


async def test_a_session_is_over_with_the_erasure(
    world: World, identity_app: httpx.AsyncClient, ann: Somebody, all_seeing: Any
) -> None:
    cookie = await world.log_in(identity_app, ann)
    headers = {
        "cookie": f"roost_session={cookie}", "origin": "http://roost.test",
        "user-agent": "marker agent", "idempotency-key": "marker key",
    }  # fmt: skip
    answer = await identity_app.post(
        f"/api/v1/users/{ann.id}/erase", json={"confirm": ann.email.upper()}, headers=headers
    )
    assert answer.status_code == 204, answer.text
    assert "Max-Age=0" in answer.headers["set-cookie"]
    for credential in (headers, ann.headers):
        again = await identity_app.get("/api/v1/users/me", headers=credential)
        assert again.status_code == 401
    assert await holding(all_seeing, "marker") == set()
    assert await holding(all_seeing, ann.email) == set()


async def test_to_erase_again_changes_nothing(
    world: World, rows: dict[str, UUID], all_seeing: Any
) -> None:
    await erase(world, rows["users"])
    before = await everything(all_seeing)
    with pytest.raises(ProblemError) as refused:
        await erase(world, rows["users"])
    assert refused.value.entry.code == "USER_NOT_FOUND"
    address = f"erased-{rows['users']}@users.noreply.invalid"
    assert await administration.erase(world.owner, address) == rows["users"]
    assert await everything(all_seeing) == before


async def test_the_operator_erases_by_address(world: World, ann: Somebody, all_seeing: Any) -> None:
    assert await administration.erase(world.owner, ann.email) == ann.id
    assert await holding(all_seeing, ann.email) == set()
    with pytest.raises(administration.OperatorError):
        await administration.erase(world.owner, ann.email)
    assert await administration.is_first_run(world.owner), "nobody is left"


@pytest.mark.parametrize("proof", ["none", "claimed", "verified"])
async def test_an_invitation_elsewhere_goes_only_with_a_verified_address(
    world: World, ann: Somebody, bob: Somebody, all_seeing: Any, proof: str
) -> None:
    address = 'Marker"Quoted\\One@example.test'
    await all_seeing.execute(
        "insert into invitations"
        " (workspace_id, id, token_hash, role, email, created_by, expires_at)"
        " values ($1, $2, $3, 'member', $4, $5, now() + interval '1 day')",
        bob.workspace_id, uuid4(), b"x", address, bob.id,
    )  # fmt: skip
    if proof == "claimed":
        await all_seeing.execute("update users set email = $2 where id = $1", ann.id, address)
    if proof == "verified":
        await all_seeing.execute(
            "insert into identities (id, user_id, provider, subject, subject_hash, email,"
            " email_verified) values ($1, $2, 'p', 's', 'h', $3, true)",
            uuid4(), ann.id, address.lower(),
        )  # fmt: skip
    await erase(world, ann.id)
    row = await all_seeing.fetchrow("select email, revoked_at from invitations")
    left = await holding(all_seeing, "Marker%Quoted")
    if proof == "verified":
        assert row["email"] is None
        assert row["revoked_at"] is not None, "else anybody could use the link"
        assert left == set()
    else:
        assert (row["email"], row["revoked_at"]) == (address, None)
        assert left == {"invitations", "journal of invitations"}
