"""Keys longer than an entry of an index may be: localStorage sets no limit of its own."""

import secrets

import pytest

from tests.migration.bench import API, Bench

LONG = secrets.token_hex(4_000)


@pytest.mark.parametrize(
    ("key", "table"),
    [
        (LONG, "documents"),
        (f"form-draft-{LONG}\\", "documents"),
        (f"secure_{LONG}", "kept_secrets"),
        (f"kanban-columns-{LONG}", "users"),
    ],
)
async def test_a_long_key_is_migrated_undone_and_migrated_again(
    bench: Bench, key: str, table: str
) -> None:
    person = await bench.person()
    before = await bench.rows(person)
    migration = await person.migrate({key: "some text", key[:-1]: "other text"})
    assert migration["state"] == "completed", migration["error"]
    assert migration["counts"]["create"] == 2
    rows = await bench.rows(person)
    assert any(key in row for row in rows[table])
    receipt = await person.get(f"/migration/{migration['id']}/receipt")
    assert {each["key"] for each in receipt["keys"]} == {key, key[:-1]}
    assert (await person.migrate({key: "some text"}))["counts"]["same"] == 1
    await person.client.post(f"{API}/migration/{migration['id']}/undo")
    assert {**await bench.rows(person), "users": []} == {**before, "users": []}
    assert (await person.migrate({key: "some text"}))["state"] == "completed"
