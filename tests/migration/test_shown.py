"""What looks like a credential is shown nowhere, wherever in a dump it stood."""

import json
from typing import Any

import pytest

from tests.migration.bench import API, Bench, store, task
from tests.migration.test_command import Shell
from tests.migration.test_command import shell as shell  # noqa: PLC0414 -- a fixture
from tests.migration.test_watching import events_of

FAKE = "ghp_" + "a1" * 9
BROKEN = json.dumps({"state": {"tasks": [{"id": FAKE, "title": "t"}, {FAKE: {}}]}})[:-4] + "x}]}}"
DUMPS: list[dict[str, Any]] = [
    {FAKE: "[" + FAKE, "task-store": store(task(1))},
    {"task-store": BROKEN},
    {"task-store": json.dumps([{"id": FAKE, "title": 5, "messages": 7}, {FAKE: 1}])},
    {f"form-draft-{FAKE}": "some text", "theme": '{"' + FAKE + '":'},
]


@pytest.mark.parametrize("keys", DUMPS)
@pytest.mark.parametrize("goes_on", [False, True])
async def test_no_answer_shows_it(bench: Bench, keys: dict[str, str], *, goes_on: bool) -> None:
    person = await bench.person()
    migration = await person.migrate(keys, continueOnError=goes_on, batchSize=1)
    assert migration["state"] == "completed" or not goes_on
    events = await person.client.get(f"{API}/migration/{migration['id']}/events")
    overview = await person.get("/migration")
    items = await person.items(migration)
    for said in (migration, overview, items, events_of(events.text)):
        assert FAKE not in json.dumps(said)
    stored = await bench.watcher.fetch(
        "select progress::text || coalesce(error::text, '') as said from migrations "
        "where workspace_id = $1",
        person.workspace_id,
    )
    assert not any(FAKE in row["said"] for row in stored)


async def test_a_body_that_is_refused_is_not_quoted(bench: Bench) -> None:
    person = await bench.person()
    for body in (f'{{"keys": {{"{FAKE}": 5}}}}', f'{{"keys": {{"{FAKE}": "", "{FAKE}": ""}}}}'):
        answer = await person.client.post(
            f"{API}/migration", content=body, headers={"content-type": "application/json"}
        )
        assert answer.status_code == 400
        assert "ghp[redacted]" in answer.text
        assert FAKE not in answer.text


@pytest.mark.parametrize("keys", DUMPS)
def test_the_command_does_not_print_it(shell: Shell, keys: dict[str, str]) -> None:
    file = shell.file(keys)
    for arguments in ((), ("--json",), ("--continue-on-error", "--json")):
        done = shell.call(file, *arguments)
        assert done.returncode in (0, 1)
        assert FAKE not in done.stdout + done.stderr
    again = shell.file({key: f"{raw} " for key, raw in keys.items()})
    done = shell.call(again, "--continue-on-error", "--json")
    assert FAKE not in done.stdout + done.stderr
