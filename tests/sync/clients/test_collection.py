"""`@tanstack/electric-db-collection`: changes are shown at once, and stay."""

import time
from collections.abc import Iterator

import pytest

from tests.migration.browser.home import Home
from tests.sync.clients.scripting import SECONDS, Script, running


@pytest.fixture
def tasks(home: Home) -> Iterator[Script]:
    with running("collection.mjs", url=home.url, token=home.token) as script:
        script.wait_for_rows(lambda rows: rows == [], "no tasks yet")
        yield script


def test_a_task_is_shown_at_once_and_stays_without_flicker(home: Home, tasks: Script) -> None:
    made = home.client.post("/tasks", json={"title": "by another"}).json()["data"]
    tasks.wait_for_rows(lambda rows: len(rows) == 1, "somebody else's task")
    found = tasks.do("update", id=made["id"], fields={"title": "by me", "status": "in_progress"})
    assert (found["title"], found["status"], found["state"]) == (
        "by me",
        "in_progress",
        "completed",
    )
    titles = [row["title"] for line in tasks.lines() for row in line.get("rows", [])]
    assert sorted(titles, key=titles.index) == titles, "never back to what it was"
    assert home.data(f"/tasks/{made['id']}")["title"] == "by me"
    assert tasks.do("remove", id=made["id"]) is False
    assert home.titles() == []


def test_what_is_refused_is_taken_back(home: Home, tasks: Script) -> None:
    made = home.client.post("/tasks", json={"title": "kept"}).json()["data"]
    tasks.wait_for_rows(lambda rows: len(rows) == 1, "the task")
    tasks.tell("update", id=made["id"], fields={"title": ""})
    refused = tasks.wait_for(lambda line: line.get("failed") == "update", "the refusal")
    assert "422" in refused["message"] or "400" in refused["message"]
    titles = [row["title"] for line in tasks.lines() for row in line.get("rows", [])]
    assert titles[-1] == "kept"


def test_a_transaction_of_anybody_s_can_be_waited_for(home: Home, tasks: Script) -> None:
    answer = home.client.post("/tasks", json={"title": "by another"})
    assert tasks.do("await", txid=int(answer.headers["roost-txid"]), timeout=20_000) is True
    assert "by another" in str([line.get("rows") for line in tasks.lines()])


def test_a_transaction_that_the_snapshot_has_seen_is_known(home: Home) -> None:
    answer = home.client.post("/tasks", json={"title": "before"})
    with running("collection.mjs", url=home.url, token=home.token) as script:
        script.wait_for_rows(lambda rows: len(rows) == 1, "the task")
        assert script.do("await", txid=int(answer.headers["roost-txid"]), timeout=20_000) is True


def test_one_whose_row_is_filtered_away_is_not_waited_for_for_ever(home: Home) -> None:
    parameters = {"where": "priority = 'urgent'"}
    given = {"url": home.url, "token": home.token, "params": parameters}
    with running("collection.mjs", **given) as script:
        script.wait_for_rows(lambda rows: rows == [], "no tasks yet")
        answer = home.client.post("/tasks", json={"title": "not urgent"})
        started = time.monotonic()
        script.tell("await", txid=int(answer.headers["roost-txid"]), timeout=1000)
        failed = script.wait_for(lambda line: line.get("failed") == "await", "the end of waiting")
        assert failed["error"] == "TimeoutWaitingForTxIdError"
        assert time.monotonic() - started < SECONDS
