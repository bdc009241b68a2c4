"""Rows of the owner's by any of their names come home; other people's rows don't."""

import json
from typing import Any
from uuid import uuid4

import pytest

from tests.migration.bench import API, Bench, Person, store, task
from tests.migration.test_command import Shell
from tests.migration.test_command import shell as shell  # noqa: PLC0414 -- a fixture


async def known_person(bench: Bench) -> tuple[Person, list[Any]]:
    """Make a user who has logged in at a provider; gives their names too."""
    person = await bench.person()
    subject, number = uuid4().hex, uuid4().int % 10**9
    for name, mail in ((subject, "Me@Provider.example"), (str(number), None)):
        await bench.watcher.execute(
            "insert into identities (id, user_id, provider, subject, subject_hash, email, name) "
            "values ($1, $2, 'github', $3, sha256(convert_to($3, 'utf8')), $4, 'Octo Cat')",
            uuid4(),
            person.user_id,
            name,
            mail,
        )
    email = await bench.watcher.fetchval(
        "update users set name = 'Ann Roost' where id = $1 returning email", person.user_id
    )
    names = [str(person.user_id).upper(), email, "ann roost", " Ann Roost ", subject, number]
    return person, [*names, f"github|{subject}", "me@provider.example", "Octo Cat", None, ""]


async def test_rows_of_the_owners_names_are_migrated(bench: Bench) -> None:
    person, names = await known_person(bench)
    tasks = [task(number, userId=name) for number, name in enumerate(names)]
    environments = [{"id": str(uuid4()), "name": "e", "userId": name} for name in names]
    keys = {"task-store": store(*tasks), "environments": json.dumps(environments)}
    migration = await person.migrate(keys)
    assert migration["counts"]["create"] == 2 * len(names)
    assert migration["counts"]["otherUser"] == 0


async def test_others_rows_are_left_out_counted_and_migrated_with_an_alias(bench: Bench) -> None:
    person, _ = await known_person(bench)
    stranger, _ = await known_person(bench)
    keys = {
        "task-store": store(
            task(1, userId="local-user"), task(2, userId=str(stranger.user_id)), task(3)
        )
    }
    migration = await person.migrate(keys)
    counts = migration["counts"]
    assert (counts["create"], counts["skip"], counts["otherUser"]) == (1, 2, 2)
    [item, _] = await person.items(migration, verdict="skip")
    assert item["reason"] == "OTHER_USER"
    assert "'local-user'" in item["detail"]
    assert "config.aliases" in item["detail"]
    again = await person.migrate(keys, aliases=["Local-User"])
    counts = again["counts"]
    assert (counts["create"], counts["same"], counts["otherUser"]) == (1, 1, 1)
    assert again["config"]["aliases"][0] == "Local-User"


async def test_names_that_change_meanwhile_do_not_change_a_plan(bench: Bench) -> None:
    person, _ = await known_person(bench)
    keys = {"task-store": store(task(1, userId="Ann Roost"), task(2))}
    migration = await person.migrate(keys, review=True)
    await bench.watcher.execute("update users set name = 'B' where id = $1", person.user_id)
    answer = await person.client.post(f"{API}/migration/{migration['id']}/apply")
    assert answer.json()["data"]["state"] == "completed"
    assert answer.json()["data"]["counts"]["created"] == 2


@pytest.mark.parametrize("aliases", ["me", [""], ["x" * 501], ["a\x00b"], [5], ["x"] * 1001])
async def test_what_is_no_alias_is_refused_by_name(bench: Bench, aliases: Any) -> None:
    person = await bench.person()
    body = {"keys": {}, "config": {"aliases": aliases}}
    answer = await person.client.post(f"{API}/migration", json=body)
    assert answer.status_code in (400, 422)
    assert answer.json()["errors"][0]["field"].startswith("config.aliases")


def test_the_command_says_whose_rows_it_left_out_and_takes_an_alias(shell: Shell) -> None:
    rows = [task(number, userId="somebody") for number in range(3)]
    secret = task(9, title="use ghp_" + "a1" * 9)
    file = shell.file({"task-store": store(*rows, secret), "my-token": "not-" + "real"})
    done = shell.call(file)
    assert "3 items were left out" in done.stderr
    assert "3: its userId is 'somebody'" in done.stderr
    assert "--alias" in done.stderr
    assert "  my-token, rotate it" in done.stderr
    assert "ghp[redacted]: rotate it" in done.stderr
    document = shell.document(file, "--alias", "x", "--alias", "somebody")
    assert document["counts"]["create"] == 3
    assert document["counts"]["otherUser"] == 0
    assert [each["key"] for each in document["credentials"]] == ["task-store", "my-token"]
    assert shell.call(file, "--alias", "").returncode == 2
