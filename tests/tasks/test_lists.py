"""Lists of tasks: filters, orders, pages, searches."""

from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roost.tasks.filters import ORDERINGS
from tests.support.house import House
from tests.tasks.test_crud import TASKS, make


async def titles(client: httpx.AsyncClient, **params: Any) -> list[str]:
    answer = await client.get(TASKS, params={"limit": 100, **params})
    assert answer.status_code == 200, answer.text
    return [task["title"] for task in answer.json()["data"]]


async def test_filters_take_lists_and_repetitions(alice: httpx.AsyncClient) -> None:
    for status in ("pending", "in_progress", "failed"):
        for priority in ("low", "urgent"):
            await make(alice, title=f"{status} {priority}", status=status, priority=priority)

    both = await titles(alice, status="pending,failed", priority="urgent", sort="title")
    repeated = await titles(alice, status=["pending", "failed"], priority="urgent", sort="title")

    assert both == repeated == ["failed urgent", "pending urgent"]


async def test_each_filter_narrows_the_list(house: House, alice: httpx.AsyncClient) -> None:
    me = str(house.people.known["alice"].user_id)
    await make(alice, title="old", archivedAt="2020-01-01T00:00:00Z", labels=["a", "b"])
    new = await make(alice, title="new", labels=["a"])

    assert await titles(alice, archived="true") == ["old"]
    assert await titles(alice, archived="false") == ["new"]
    assert await titles(alice) == ["new", "old"]
    assert await titles(alice, label="a,b") == ["old"]
    assert await titles(alice, label="a") == ["new", "old"]
    assert await titles(alice, createdBy="me") == await titles(alice, createdBy=me)
    assert await titles(alice, assignee="none") == ["new", "old"]
    assert await titles(alice, assignee=me) == []
    assert await titles(alice, environment="none") == ["new", "old"]
    assert await titles(alice, environment=f"none,{me}") == ["new", "old"]
    assert await titles(alice, createdBefore=new["createdAt"]) == ["old"]
    assert await titles(alice, updatedAfter=new["updatedAt"]) == []


async def test_priority_is_ordered_by_rank(alice: httpx.AsyncClient) -> None:
    for priority in ("medium", "urgent", "low", "high"):
        await make(alice, title=priority, priority=priority)

    ranked = ["urgent", "high", "medium", "low"]
    assert await titles(alice, sort="-priority,createdAt") == ranked
    assert await titles(alice, sortBy="priority", sortOrder="desc") == ranked
    assert await titles(alice, sortBy="priority", sortOrder="asc") == ranked[::-1]
    assert await titles(alice, sortBy="created_at", sortOrder="asc") == [
        "medium",
        "urgent",
        "low",
        "high",
    ]


async def test_what_is_unknown_comes_last_in_both_directions(alice: httpx.AsyncClient) -> None:
    await make(alice, title="never")
    await make(alice, title="soon", dueAt="2030-01-01T00:00:00Z")
    await make(alice, title="late", dueAt="2031-01-01T00:00:00Z")

    assert await titles(alice, sort="dueAt") == ["soon", "late", "never"]
    assert await titles(alice, sort="-dueAt") == ["late", "soon", "never"]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("roof", {"Mend the roof", "roof_top cafe"}),
        ("ROOF mend", {"Mend the roof"}),
        ("men", {"Mend the roof", "Mention 100% of it"}),
        ("authentcation", {"Fix authentication"}),
        ("(roof).", {"Mend the roof", "roof_top cafe"}),
        ("roof_top!", {"roof_top cafe"}),
        (".env", {"Mind prod.env"}),
        ("...", {"Wait..."}),
        ('"mend the roof"', {"Mend the roof"}),
        ("mend the roof on a rainy day in june", set()),
        ("100%", {"Mention 100% of it"}),
        ("%", {"Mention 100% of it"}),
        ("_", {"roof_top cafe"}),
        ("roof_top", {"roof_top cafe"}),
        ("owner/repo", {"Clone owner/repo"}),
        ("\\", {"back\\slash"}),
        ("nothing at all", set()),
        ("'; drop table tasks; --", set()),
    ],
)
async def test_search_finds_words_beginnings_misspellings_and_pieces(
    alice: httpx.AsyncClient, search: str, found: set[str]
) -> None:
    for title in (
        "Mend the roof",
        "Mention 100% of it",
        "roof_top cafe",
        "Fix authentication",
        "Clone owner/repo",
        "back\\slash",
        "Mind prod.env",
        "Wait...",
    ):
        await make(alice, title=title)

    assert set(await titles(alice, search=search)) == found


async def test_the_best_match_comes_first(alice: httpx.AsyncClient) -> None:
    await make(alice, title="Other", description="a word about login here")
    await make(alice, title="login page login")

    answer = await alice.get(f"{TASKS}/search", params={"search": "login"})

    found = answer.json()["data"]
    assert [task["title"] for task in found] == ["login page login", "Other"]
    assert found[0]["score"] > found[1]["score"]


async def test_pages_by_number_say_how_many_there_are(alice: httpx.AsyncClient) -> None:
    operations = [{"op": "create", "task": {"title": f"{n:02}"}} for n in range(25)]
    await alice.post(f"{TASKS}/batch", json={"operations": operations})

    answer = await alice.get(TASKS, params={"page": 2, "limit": 10, "sort": "title"})

    page = answer.json()
    assert [task["title"] for task in page["data"]] == [f"{n:02}" for n in range(10, 20)]
    cursor = page["pagination"].pop("nextCursor")
    assert page["pagination"] == {
        "page": 2,
        "limit": 10,
        "total": 25,
        "totalIsExact": True,
        "totalPages": 3,
    }
    after = await alice.get(TASKS, params={"cursor": cursor, "limit": 10, "sort": "title"})
    assert [task["title"] for task in after.json()["data"]] == [f"{n:02}" for n in range(20, 25)]
    assert after.json()["pagination"]["nextCursor"] is None


sorts = st.lists(st.sampled_from(sorted(ORDERINGS)), min_size=1, max_size=3, unique=True).flatmap(
    lambda names: st.tuples(*(st.sampled_from([name, f"-{name}"]) for name in names)).map(",".join)
)
fields = st.fixed_dictionaries(
    {
        "title": st.sampled_from(["a", "b", "B", "ä"]),
        "priority": st.sampled_from(["low", "high"]),
        "status": st.sampled_from(["pending", "failed", "completed"]),
        "dueAt": st.sampled_from([None, "2030-01-01T00:00:00Z", "2031-01-01T00:00:00.5Z"]),
        "position": st.sampled_from([None, 0.0, -1.5, 1e-7, 3.0]),
    }
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(fields, min_size=1, max_size=12), sort=sorts, limit=st.integers(1, 5))
async def test_cursors_visit_every_task_once_in_the_order_of_the_whole(
    house: House, rows: list[dict[str, Any]], sort: str, limit: int
) -> None:
    bearer = f"somebody {len(house.people.known)}"
    house.people.add(bearer)
    client = house.client(bearer)
    operations = [{"op": "create", "task": row} for row in rows]
    await client.post(f"{TASKS}/batch", json={"operations": operations})
    whole = (await client.get(TASKS, params={"sort": sort, "limit": 100})).json()["data"]

    seen, cursor = [], None
    while True:
        params: dict[str, Any] = {
            "sort": sort,
            "limit": limit,
            **({"cursor": cursor} if cursor else {}),
        }
        page = (await client.get(TASKS, params=params)).json()
        seen += page["data"]
        cursor = page["pagination"]["nextCursor"]
        if cursor is None:
            break

    assert seen == whole
    assert len(whole) == len(rows)
