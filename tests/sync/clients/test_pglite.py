"""`@electric-sql/pglite-sync`: a PostgreSQL in the client has what the server's has."""

from typing import Any

from tests.migration.browser.home import Home
from tests.sync.clients.engine import Engine
from tests.sync.clients.scripting import running

SCHEMA = (
    "create table lists (id int primary key, name text);"
    "create table items (id int primary key, list int, what text, done bool, at timestamptz,"
    " n numeric)"
)


def shape(url: str, here: str, table: str, **more: Any) -> dict[str, Any]:
    """What is followed, and the table here that it goes to."""
    return {
        "shape": {"url": url, "params": {"table": table}, **more},
        "table": here,
        "primaryKey": ["id"],
    }


def test_two_tables_are_followed_together(engine: Engine) -> None:
    lists = engine.table("id int primary key, name text")
    items = engine.table(
        "id int primary key, list int, what text, done bool, at timestamptz, n numeric"
    )
    engine.run(
        f"insert into {lists} values (1, 'shopping')",
        f"insert into {items} values (1, 1, 'milk', false, '2026-01-01 10:00+00', 1.50),"
        " (2, 1, null, null, null, null)",
    )
    shapes = {
        "lists": shape(engine.shapes, "lists", lists),
        "items": shape(engine.shapes, "items", items),
    }
    with running("pglite.mjs", schema=SCHEMA, shapes=shapes) as client:

        def wait(what: str, of: Any) -> Any:
            found = client.wait_for(lambda line: "tables" in line and of(line["tables"]), what)
            return found["tables"]

        tables = wait("the first rows", lambda found: found["lists"] and len(found["items"]) == 2)
        assert tables["items"][0] == {
            "id": 1,
            "list": 1,
            "what": "milk",
            "done": False,
            "at": "2026-01-01T10:00:00.000Z",
            "n": "1.50",
        }
        assert tables["items"][1]["what"] is None
        # One transaction of two tables is one transaction there.
        engine.run(
            f"with l as (insert into {lists} values (2, 'garden')) "
            f"insert into {items} select n, 2, 'seed ' || n from generate_series(10, 59) n"
        )
        wait("the garden", lambda found: len(found["items"]) == 52)
        seen = [line["tables"] for line in client.lines() if "tables" in line]
        assert {(len(each["lists"]), len(each["items"])) for each in seen} <= {
            (0, 0),
            (0, 2),
            (1, 0),
            (1, 2),
            (2, 52),
        }
        engine.run(f"update {items} set what = 'oat milk', done = true where id = 1")
        engine.run(f"delete from {items} where list = 2 and id > 10")
        tables = wait("what is left", lambda found: len(found["items"]) == 3)
        assert [each["what"] for each in tables["items"]] == ["oat milk", None, "seed 10"]
        engine.run(f"truncate {items}")
        wait("nothing after a truncate", lambda found: found["items"] == [])
        assert not [line for line in client.lines() if "error" in line]


def test_roost_s_own_tasks_lie_in_a_client_s_database(home: Home) -> None:
    made = home.client.post("/tasks", json={"title": "first", "labels": ["a", "b"]}).json()["data"]
    schema = (
        "create table tasks (workspace_id uuid, id uuid, title text, labels text[],"
        " created_at timestamptz, primary key (workspace_id, id))"
    )
    follow = shape(
        f"{home.url}/v1/shape", "tasks", "tasks", headers={"Authorization": f"Bearer {home.token}"}
    )
    follow["shape"]["params"]["columns"] = [
        *("workspace_id", "id", "title", "labels", "created_at")
    ]
    follow["primaryKey"] = ["workspace_id", "id"]
    with running("pglite.mjs", schema=schema, shapes={"tasks": follow}) as client:
        client.wait_for(lambda line: line.get("tables", {}).get("tasks"), "the task")
        [row] = client.do("query", sql="select id, title, labels from tasks")
        assert row == {"id": made["id"], "title": "first", "labels": ["a", "b"]}
        home.client.patch(f"/tasks/{made['id']}", json={"title": "second"})
        client.wait_for(lambda line: "second" in str(line.get("tables")), "the change")
