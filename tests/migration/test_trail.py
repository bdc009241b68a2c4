"""What a migration does to secrets is in the audit trail, without their values."""

import json
from typing import Any

from tests.migration.bench import Bench, Person, store, task
from tests.migration.test_recovery import tampering

FAKE = "not-a-real-value"


def environments(*each: tuple[str, dict[str, str]]) -> str:
    return json.dumps(
        [
            {"id": identifier, "name": identifier, "sandboxConfig": {"environment": secrets}}
            for identifier, secrets in each
        ]
    )


async def told(bench: Bench, person: Person, migration: dict[str, Any]) -> list[tuple[Any, ...]]:
    """What a migration's events say of secrets; each names it, and its user as who did it."""
    rows = await bench.watcher.fetch(
        "select e.*, e::text as whole from audit_events e where workspace_id = $1"
        " and request_id = $2",
        person.workspace_id,
        migration["id"],
    )
    found = []
    for row in rows:
        details = json.loads(row["details"])
        assert details["migrationId"] == migration["id"]
        assert (row["actor_id"], row["outcome"]) == (person.user_id, "success")
        assert FAKE not in row["whole"]
        found.append((row["action"], row["target_type"], details.get("names")))
    return sorted(found, key=lambda one: (*one[:2], one[2] or []))


async def test_secrets_that_a_migration_sets_replaces_and_drops_are_told(bench: Bench) -> None:
    person = await bench.person()
    keys = {
        "environments": environments(
            ("a", {"KEY": FAKE, "OLD": FAKE}), ("b", {"OTHER": FAKE}), ("c", {})
        ),
        "electric_auth_token": FAKE,
    }
    migration = await person.migrate(keys)
    assert await told(bench, person, migration) == [
        ("secret.set", "environment", ["KEY", "OLD"]),
        ("secret.set", "environment", ["OTHER"]),
        ("secret.set", "kept_secret", None),
    ]
    names = await bench.watcher.fetchval(
        "select e.details ->> 'names' from audit_events e join environments n"
        " on n.id::text = e.target_id where n.workspace_id = $1 and n.name = 'b'",
        person.workspace_id,
    )
    assert names == '["OTHER"]'
    changed = {
        "environments": environments(("a", {"KEY": FAKE + "2", "NEW": FAKE})),
        "electric_auth_token": FAKE + "2",
    }
    migration = await person.migrate(changed, conflictResolution="AUTO_OVERWRITE")
    assert await told(bench, person, migration) == [
        ("secret.deleted", "environment", ["OLD"]),
        ("secret.set", "environment", ["KEY", "NEW"]),
        ("secret.set", "kept_secret", None),
    ]
    again = await person.migrate(changed, conflictResolution="AUTO_OVERWRITE")
    assert await told(bench, person, again) == [], "nothing has changed"


async def test_secrets_that_are_taken_back_are_told(bench: Bench) -> None:
    person = await bench.person()
    await person.migrate({"environments": environments(("a", {"KEY": FAKE, "OLD": FAKE}))})
    keys = {
        "task-store": store(task(3)),
        "environments": environments(("a", {"KEY": FAKE + "2"}), ("b", {"MADE": FAKE})),
        "electric_auth_token": FAKE,
    }
    body = "new.title = 'x'; return new;"
    async with tampering(bench, person, "tasks", "before insert", body):
        migration = await person.migrate(keys, conflictResolution="AUTO_OVERWRITE")
    assert migration["error"]["code"] == "VERIFICATION_FAILED"
    assert await told(bench, person, migration) == [
        ("secret.deleted", "environment", ["MADE"]),
        ("secret.deleted", "environment", ["OLD"]),
        ("secret.deleted", "kept_secret", None),
        ("secret.set", "environment", ["KEY"]),
        ("secret.set", "environment", ["KEY", "OLD"]),
        ("secret.set", "environment", ["MADE"]),
        ("secret.set", "kept_secret", None),
    ]


async def test_what_was_rolled_back_is_not_told(bench: Bench) -> None:
    person = await bench.person()
    refuse = "raise check_violation using message = 'no'; return new;"
    keys = {"environments": environments(("a", {"KEY": FAKE}))}
    async with tampering(bench, person, "environment_secrets", "before insert", refuse):
        migration = await person.migrate(keys)
    assert migration["state"] == "failed"
    assert await told(bench, person, migration) == []


async def test_many_events_are_written_in_one_statement_a_batch(bench: Bench) -> None:
    person = await bench.person()
    many = environments(*((f"e{number}", {"KEY": FAKE}) for number in range(250)))
    await bench.watcher.execute(
        "create table told_by (workspace_id uuid, rows bigint);"
        "create function note_told() returns trigger language plpgsql security definer as $$ begin"
        " insert into public.told_by select workspace_id, count(*) from new_rows group by 1;"
        " return null; end $$;"
        "create trigger note_told after insert on audit_events referencing new table as new_rows"
        " for each statement execute function note_told()"
    )
    try:
        migration = await person.migrate({"environments": many}, batchSize=100)
        assert migration["counts"]["created"] == 250
        statements = await bench.watcher.fetch(
            "select rows from told_by where workspace_id = $1 order by 1", person.workspace_id
        )
    finally:
        await bench.watcher.execute(
            "drop trigger note_told on audit_events; drop function note_told(); drop table told_by"
        )
    assert [row["rows"] for row in statements] == [50, 100, 100]
