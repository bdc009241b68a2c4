"""What is kept, in whichever layout and how blank, is shown; what is older is said to be."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest

from roost.journal.upkeep import drop_older
from tests.history.calls import World
from tests.history.conftest import opened
from tests.journal.test_retention import age
from tests.support.house import House


@pytest.fixture
async def own(fresh_roost_database: str) -> AsyncIterator[tuple[House, World]]:
    """A server, and Alice's workspace, in a database of the test's own."""
    async with opened(fresh_roost_database) as house:
        connection = await asyncpg.connect(fresh_roost_database)
        yield house, World(house.client("alice"), connection)
        await connection.close()


async def test_what_is_older_than_what_is_kept_is_said_to_be(own: tuple[House, World]) -> None:
    _, world = own
    task = await world.task(title="first")
    path = f"/tasks/{task['id']}"
    first = await world.tick()
    second = await world.patch(path, title="second")
    base = await world.tick()
    untouched = await world.task(title="untouched")
    await world.ask("DELETE", f"/tasks/{(await world.task())['id']}", status=204)
    gone = await world.task(title="gone later", description="long " * 2000)
    last = await world.tick()
    await age(world.connection, 150)
    await world.patch(path, title="third")
    await world.patch(f"/tasks/{gone['id']}", title="other title")
    await world.ask("DELETE", f"/tasks/{gone['id']}", status=204)
    await world.tick()
    await drop_older(world.connection, 90)

    for moment in (first, base, "2020-01-01T00:00:00Z", 0):
        problem = await world.ask("GET", path, status=410, asOf=moment)
        assert problem["code"] == "MOMENT_NOT_KEPT"
        assert problem["oldest"]["tick"] == last
    await world.ask("POST", f"{path}/restore", {"asOf": first}, 410)
    await world.ask("POST", "/history/restore", {"asOf": 0}, 410)
    await world.ask("GET", "/history/diff", status=410, **{"from": first})
    # The entries before are gone; what they had left is found by what came after, or did not.
    assert await world.get("/tasks", asOf=last, sort="createdAt") == [second, untouched, gone]
    oldest = await world.connection.fetchval("select at from journal.tick where id = $1", last)
    assert await world.get(path, asOf=oldest.isoformat()) == second


async def test_rows_of_other_layouts_are_shown_and_put_back(own: tuple[House, World]) -> None:
    _, world = own
    task = await world.task(
        title='a "title"', branch="main, (dev)", labels=["x", 'y"'], metadata={"a": [1]}
    )
    path = f"/tasks/{task['id']}"
    tick = await world.tick()
    await world.patch(path, title="second", branch="other")
    await world.connection.execute(
        """
        alter table tasks add column extra text not null default 'new';
        alter table tasks add column more int;
        alter table tasks drop column extra;
        alter table tasks rename column branch to renamed;
        alter table tasks add column branch text;
        select journal.attach('public.tasks', exclude => '{search}',
            large => '{description,metadata}');
        """
    )
    await world.patch(path, title="third")

    # A column is the one that had its number; so the renamed one keeps what it had.
    assert await world.get(path, asOf=tick) == task | {"branch": "main, (dev)"}
    versions = await world.get(f"{path}/history")
    assert [version["version"] for version in versions] == [3, 2, 1]
    back = await world.ask("POST", f"{path}/restore", {"asOf": tick})
    assert back["data"]["title"] == task["title"]
    assert back["data"]["labels"] == task["labels"]


async def test_a_column_that_was_not_there_yet_has_its_default(own: tuple[House, World]) -> None:
    _, world = own
    task = await world.task(title="first", mode="ask", hasChanges=True)
    path = f"/tasks/{task['id']}"
    tick = await world.tick()
    # As if `mode` and `has_changes` had come with a later revision.
    await world.connection.execute(
        """
        alter table tasks drop column mode, drop column has_changes;
        alter table tasks add column mode text not null default 'code',
            add column has_changes boolean not null default false;
        select journal.attach('public.tasks', exclude => '{search}',
            large => '{description,metadata}');
        """
    )
    await world.connection.execute("update tasks set title = 'second', mode = 'ask'")

    then = await world.get(path, asOf=tick)

    assert then["title"] == "first"
    assert (then["mode"], then["hasChanges"]) in {("ask", True), ("code", False)}
    back = (await world.ask("POST", f"{path}/restore", {"asOf": tick}))["data"]
    assert (back["title"], back["mode"]) == ("first", then["mode"])


async def test_words_that_were_taken_out_stay_out(own: tuple[House, World]) -> None:
    house, world = own
    me = str(house.people.known["alice"].user_id)
    task = await world.task(title="secret words", description="more of them")
    path = f"/tasks/{task['id']}"
    tick = await world.tick()
    await world.patch(path, title="harmless", description="")
    await world.connection.execute(
        "select journal.redact('public.tasks', 'created_by', array[$$" + me + "$$],"
        " '{title,description}')"
    )

    answers: list[httpx.Response] = [
        await world.client.get(f"/api/v1{where}")
        for where in (
            f"{path}?asOf={tick}",
            f"/tasks?asOf={tick}",
            f"{path}/history",
            f"/history?asOf={tick}",
            f"/history/diff?from=0&to={tick}",
        )
    ]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        assert "secret words" not in answer.text
    shown: dict[str, Any] = answers[0].json()["data"]
    assert (shown["title"], shown["description"]) == ("", "")
    problem = await world.ask("POST", f"{path}/restore", {"asOf": tick}, 409)
    assert problem["code"] == "CONFLICT"
