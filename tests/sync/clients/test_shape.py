"""`@electric-sql/client` as npm has it: ShapeStream and Shape."""

from typing import Any

import pytest

from tests.migration.browser.home import Home
from tests.sync.clients.engine import Engine
from tests.sync.clients.scripting import running


def titles(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(row["title"] for row in rows)


@pytest.mark.parametrize("is_sse", [False, True], ids=["long poll", "event stream"])
def test_a_shape_has_the_rows_and_then_every_change(
    engine: Engine, issues: str, *, is_sse: bool
) -> None:
    engine.run(f"insert into {issues} values (1, 'one'), (2, 'two')")
    given = {"url": engine.shapes, "params": {"table": issues}, "liveSse": is_sse}
    with running("follow.mjs", **given) as client:
        rows = client.wait_for_rows(lambda rows: len(rows) == 2, "the first rows")
        assert sorted(rows, key=lambda row: row["id"]) == [
            {"id": 1, "title": "one", "done": False},
            {"id": 2, "title": "two", "done": False},
        ]
        engine.run(f"insert into {issues} values (3, 'three')")
        client.wait_for_rows(lambda rows: len(rows) == 3, "an insert")
        engine.run(f"update {issues} set title = 'zwei' where id = 2")
        client.wait_for_rows(lambda rows: "zwei" in titles(rows), "an update")
        engine.run(f"delete from {issues} where id = 1")
        client.wait_for_rows(lambda rows: titles(rows) == ["three", "zwei"], "a delete")
        if is_sse:
            asked = [line for line in client.lines() if line.get("live_sse") == "true"]
            assert len(asked) == 1, "one stream brings all of it"


def test_a_client_goes_on_after_the_server_was_killed_and_came_back(
    engine: Engine, issues: str
) -> None:
    engine.run(f"insert into {issues} values (1, 'one')")
    with running("follow.mjs", url=engine.shapes, params={"table": issues}) as client:
        client.wait_for_rows(lambda rows: len(rows) == 1, "the first row")
        client.wait_for(lambda line: "message" in line and "control" in str(line), "the end")
        engine.kill()
        engine.run(f"insert into {issues} values (2, 'while nobody served')")
        engine.start()
        engine.run(f"insert into {issues} values (3, 'after')")
        client.wait_for_rows(lambda rows: len(rows) == 3, "both rows")
        said = client.lines()
    assert len({line["handle"] for line in said if line.get("handle")}) == 1, "one shape, all along"
    assert not any(line.get("status") == 409 for line in said)
    inserts = [line for line in said if _operation(line) == "insert"]
    assert sorted(line["message"]["value"]["id"] for line in inserts) == [1, 2, 3], "each once"


def _operation(line: dict[str, Any]) -> Any:
    return line.get("message", {}).get("headers", {}).get("operation")


def test_an_aborted_client_asks_no_more(engine: Engine, issues: str) -> None:
    with running("follow.mjs", url=engine.shapes, params={"table": issues}) as client:
        client.wait_for(lambda line: "up-to-date" in str(line), "the end of an empty table")
        assert client.do("state")["connected"]
        client.do("abort")
        engine.run(f"insert into {issues} values (1, 'one')")
        assert not client.do("state")["connected"]
        assert not any(line.get("rows") for line in client.lines())


@pytest.mark.parametrize(
    "change",
    ["truncate issues", "alter table issues add column extra int default 7"],
    ids=["a truncate", "a new column"],
)
def test_a_client_begins_again_after(engine: Engine, issues: str, change: str) -> None:
    engine.run(f"insert into {issues} values (1, 'one')")
    with running("follow.mjs", url=engine.shapes, params={"table": issues}) as client:
        client.wait_for_rows(lambda rows: len(rows) == 1, "the first row")
        engine.run(change.replace("issues", issues), f"insert into {issues} values (2, 'two')")
        client.wait_for(lambda line: line.get("status") == 409, "must-refetch")
        client.wait_for_rows(lambda rows: "two" in titles(rows), "the rows, read anew")
        engine.run(f"insert into {issues} values (3, 'three')")
        rows = client.wait_for_rows(lambda rows: "three" in titles(rows), "a change after that")
        assert ("extra" in rows[0]) == change.startswith("alter")
        assert len({line["handle"] for line in client.lines() if line.get("handle")}) == 2


def test_a_condition_with_parameters_and_columns_narrow_what_is_told(
    engine: Engine, issues: str
) -> None:
    engine.run(f"insert into {issues} values (1, 'one'), (2, 'two')")
    parameters = {
        "table": issues,
        "where": "title = $1 or done",
        "params": ["one"],
        "columns": ["id", "title"],
        "replica": "full",
    }
    with running("follow.mjs", url=engine.shapes, params=parameters) as client:
        rows = client.wait_for_rows(lambda rows: len(rows) == 1, "the row that matches")
        assert rows == [{"id": 1, "title": "one"}]
        engine.run(f"update {issues} set done = true where id = 2")
        client.wait_for_rows(lambda rows: titles(rows) == ["one", "two"], "one that comes in")
        engine.run(f"update {issues} set title = 'uno' where id = 1")
        client.wait_for_rows(lambda rows: titles(rows) == ["two"], "one that leaves")


def test_roost_s_own_tables_are_followed_with_a_token(home: Home) -> None:
    made = home.client.post("/tasks", json={"title": "first"}).json()["data"]
    with running(
        "follow.mjs",
        url=home.url + "/v1/shape",
        params={"table": "tasks"},
        headers={"Authorization": f"Bearer {home.token}"},
    ) as client:
        [row] = client.wait_for_rows(bool, "the task")
        assert (row["id"], row["title"]) == (made["id"], "first")
        home.client.patch(f"/tasks/{made['id']}", json={"title": "second"})
        client.wait_for_rows(lambda rows: titles(rows) == ["second"], "the change")


def test_without_a_token_the_client_is_told_why(home: Home) -> None:
    with running("follow.mjs", url=home.url + "/v1/shape", params={"table": "tasks"}) as client:
        said = client.wait_for(lambda line: line.get("error"), "the refusal")
    assert (said["error"], said["status"]) == ("FetchError", 401)


def test_a_condition_that_is_not_allowed_is_named_to_the_client(
    engine: Engine, issues: str
) -> None:
    parameters = {"table": issues, "where": "pg_sleep(9) is null"}
    with running("follow.mjs", url=engine.shapes, params=parameters) as client:
        said = client.wait_for(lambda line: line.get("error"), "the refusal")
    assert said["status"] == 400
    assert "pg_sleep" in said["message"]
