"""The official clients in a page of another origin, by Roost's own tables."""

from typing import Any

import pytest

from tests.migration.browser.home import Home


def follow(home: Home, **params: Any) -> dict[str, Any]:
    return {
        "url": f"{home.url}/v1/shape",
        "params": {"table": "tasks", **params},
        "headers": {"Authorization": f"Bearer {home.token}"},
    }


@pytest.mark.parametrize("is_sse", [False, True], ids=["long poll", "event stream"])
def test_a_page_follows_a_workspace_s_tasks(run: Any, home: Home, *, is_sse: bool) -> None:
    made = home.client.post("/tasks", json={"title": "first"}).json()["data"]
    script = run("follow.mjs", **follow(home), liveSse=is_sse)
    script.wait_for(lambda line: "first" in str(line.get("rows")), "the task")
    for number in range(3):
        home.client.patch(f"/tasks/{made['id']}", json={"title": f"title {number}"})
        script.wait_for(lambda line, n=number: f"title {n}" in str(line.get("rows")), "a change")
    if is_sse:
        asked = [line for line in script.lines() if line.get("live_sse") == "true"]
        assert len(asked) == 1, "one stream brings all of it"
    home.client.delete(f"/tasks/{made['id']}")
    script.wait_for(lambda line: line.get("rows") == [], "the end of it")


def test_a_page_s_change_is_shown_at_once_and_stays(run: Any, home: Home) -> None:
    made = home.client.post("/tasks", json={"title": "by another"}).json()["data"]
    script = run("collection.mjs", url=home.url, token=home.token)
    script.wait_for(lambda line: "by another" in str(line.get("rows")), "somebody else's task")
    script.wait_for(lambda line: line.get("obeys"), "that it is ready")
    found = script.do("update", id=made["id"], fields={"title": "by me"})
    assert (found["title"], found["state"]) == ("by me", "completed")
    titles = [row["title"] for line in script.lines() for row in line.get("rows", [])]
    assert sorted(titles, key=titles.index) == titles, "never back to what it was"
    assert home.data(f"/tasks/{made['id']}")["title"] == "by me"


def test_a_component_in_a_page_shows_the_tasks(run: Any, home: Home) -> None:
    made = home.client.post("/tasks", json={"title": "first"}).json()["data"]
    script = run("react.mjs", **follow(home))
    script.wait_for(lambda line: line.get("rows") == ["first"], "the task")
    home.client.patch(f"/tasks/{made['id']}", json={"title": "second"})
    script.wait_for(lambda line: line.get("rows") == ["second"], "the change")
    assert script.page.locator("li").all_inner_texts() == ["second"]


def test_a_page_has_the_tasks_in_a_database_of_its_own(run: Any, home: Home) -> None:
    made = home.client.post("/tasks", json={"title": "first"}).json()["data"]
    schema = (
        "create table tasks (workspace_id uuid, id uuid, title text, "
        "primary key (workspace_id, id))"
    )
    shape = {
        "shape": follow(home, columns=["workspace_id", "id", "title"]),
        "table": "tasks",
        "primaryKey": ["workspace_id", "id"],
    }
    script = run("pglite.mjs", schema=schema, shapes={"tasks": shape})
    script.wait_for(lambda line: line.get("tables", {}).get("tasks"), "the task")
    home.client.patch(f"/tasks/{made['id']}", json={"title": "second"})
    script.wait_for(lambda line: "second" in str(line.get("tables")), "the change")
    assert script.do("query", sql="select title from tasks") == [{"title": "second"}]


def test_a_page_of_another_origin_is_told_nothing(run: Any, home: Home, site: Any) -> None:
    elsewhere = site.url
    site_url = elsewhere.replace("localhost", "127.0.0.1")
    script = run("follow.mjs", **follow(home))
    script.wait_for(lambda line: line.get("rows") == [], "an empty workspace")
    page = script.page
    page.goto(f"{site_url}/")
    said = page.evaluate(
        "async ([url, token]) => { try { await fetch(url, { headers: { Authorization: token } });"
        " return 'answered'; } catch { return 'refused'; } }",
        [f"{home.url}/v1/shape?table=tasks&offset=-1", f"Bearer {home.token}"],
    )
    assert said == "refused"
