"""Lists: searched, filtered, ordered, and cut into pages that miss nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from roost.web.paging import COUNT_CAP
from roost.web.principal import Principal
from tests.environments.calls import ALL, create, listed, names
from tests.environments.conftest import newcomer
from tests.support.house import House

PAGED = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
ORDERS = st.permutations(["name", "createdAt", "updatedAt"]).flatmap(
    lambda fields: st.tuples(*(st.sampled_from([field, f"-{field}"]) for field in fields)).flatmap(
        lambda keys: st.integers(1, 3).map(lambda count: ",".join(keys[:count]))
    )
)
NAMES = st.sampled_from(["a", "b", "A", "é", "a b", "", "ab"])
MOMENTS = st.integers(0, 3).map(
    lambda number: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=number)
)


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("", ["100% done", "a_b", "axb", "back\\slash", "Größe"]),
        ("%", ["100% done"]),
        ("0%", ["100% done"]),
        ("_", ["a_b"]),
        ("A_B", ["a_b"]),
        ("\\", ["back\\slash"]),
        ("GRÖSSE", []),
        ("GRÖ", ["Größe"]),
        ("%%", []),
        ("'; drop table environments --", []),
        ("IN THE DESC", ["axb"]),
        ("Owner/Repo", ["Größe"]),
    ],
)
async def test_a_search_finds_plain_pieces(
    alice: httpx.AsyncClient, search: str, expected: list[str]
) -> None:
    await create(alice, "100% done")
    await create(alice, "a_b")
    await create(alice, "axb", description="something in the Description")
    await create(alice, "back\\slash")
    await create(alice, "Größe", repository="owner/repo")
    assert sorted(await names(alice, search=search)) == sorted(expected)


async def test_filters_choose_and_combine(house: House, alice: httpx.AsyncClient) -> None:
    owner = house.people.known["alice"]
    bob, bob_is = newcomer(house, role="member", workspace_id=owner.workspace_id)
    first = await create(alice, "first", repository="a/b")
    await create(alice, "second", repository="a/c")
    await create(bob, "third", repository="a/b")
    await alice.post(f"{ALL}/{first['id']}/activate")
    assert sorted(await names(bob)) == ["first", "second", "third"]
    assert await names(bob, userId="me") == ["third"]
    assert sorted(await names(bob, userId=str(owner.user_id))) == ["first", "second"]
    assert await names(bob, userId=str(uuid4())) == []
    assert await names(alice, isActive="true") == ["first"]
    assert sorted(await names(alice, isActive="false")) == ["second", "third"]
    assert sorted(await names(alice, repository="a/b")) == ["first", "third"]
    assert await names(alice, repository="A/B") == []
    assert await names(alice, repository="a/b", userId=str(bob_is.user_id)) == ["third"]
    assert await names(alice, repository="a/b", isActive="true", search="IRS") == ["first"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["c", "a", "b"]),
        ({"sort": "name"}, ["a", "b", "c"]),
        ({"sort": "-name"}, ["c", "b", "a"]),
        ({"sort": "createdAt"}, ["b", "a", "c"]),
        ({"sort": "-updated_at"}, ["b", "c", "a"]),
        ({"sortBy": "updatedAt", "sortOrder": "asc"}, ["a", "c", "b"]),
        ({"sortBy": "created_at"}, ["c", "a", "b"]),
        ({"sortBy": "name", "sortOrder": "DESC"}, ["c", "b", "a"]),
    ],
)
async def test_lists_have_the_order_that_is_asked_for(
    alice: httpx.AsyncClient, query: dict[str, str], expected: list[str]
) -> None:
    made = {name: await create(alice, name) for name in ("b", "a", "c")}
    await alice.patch(f"{ALL}/{made['b']['id']}", json={"description": "newest change"})
    assert await names(alice, **query) == expected


async def test_pages_by_number_say_how_many_there_are(alice: httpx.AsyncClient) -> None:
    for name in "abcde":
        await create(alice, name)
    pages = [
        (await alice.get(ALL, params={"page": page, "limit": 2, "sort": "name"})).json()
        for page in (1, 2, 3, 4)
    ]
    found = [[item["name"] for item in page["data"]] for page in pages]
    assert found == [["a", "b"], ["c", "d"], ["e"], []]
    last = pages[2]["pagination"]
    assert last == {
        "page": 3,
        "limit": 2,
        "total": 5,
        "totalIsExact": True,
        "totalPages": 3,
        "nextCursor": None,
    }
    assert pages[0]["pagination"]["nextCursor"] is not None


async def test_totals_stop_counting_at_the_cap(
    alice: httpx.AsyncClient, owner: Principal, superuser: Any
) -> None:
    await superuser.execute(
        "insert into environments (workspace_id, id, user_id, name) "
        "select $1, gen_random_uuid(), $2, 'many' from generate_series(1, $3)",
        owner.workspace_id,
        owner.user_id,
        COUNT_CAP + 1,
    )
    pagination = (await alice.get(ALL, params={"limit": 1})).json()["pagination"]
    assert (pagination["total"], pagination["totalIsExact"]) == (COUNT_CAP, False)
    assert pagination["totalPages"] == COUNT_CAP


@PAGED
@given(
    rows=st.lists(st.tuples(NAMES, MOMENTS, MOMENTS), max_size=12),
    arriving=st.lists(st.tuples(NAMES, MOMENTS, MOMENTS), max_size=6),
    order=ORDERS,
    limit=st.integers(1, 5),
)
async def test_a_walk_by_cursor_meets_every_row_once_while_others_arrive(  # noqa: PLR0913, PLR0917
    house: House,
    superuser: Any,
    rows: list[tuple[str, datetime, datetime]],
    arriving: list[tuple[str, datetime, datetime]],
    order: str,
    limit: int,
) -> None:
    client, person = newcomer(house)
    there = [await _insert(superuser, person, row) for row in rows]
    in_order = [item["id"] for item in await listed(client, sort=order, limit=100)]
    assert sorted(in_order) == sorted(there)
    met: list[str] = []
    cursor, waiting = None, list(arriving)
    while True:
        query: dict[str, Any] = {"sort": order, "limit": limit}
        if cursor:
            query["cursor"] = cursor
        answer = (await client.get(ALL, params=query)).json()
        met += [item["id"] for item in answer["data"]]
        cursor = answer["pagination"]["nextCursor"]
        if cursor is None:
            break
        assert len(answer["data"]) == limit
        if waiting:
            await _insert(superuser, person, waiting.pop())
    assert len(met) == len(set(met))
    assert [found for found in met if found in set(there)] == in_order


async def _insert(superuser: Any, person: Principal, row: tuple[str, datetime, datetime]) -> str:
    made: UUID = uuid7()
    await superuser.execute(
        "insert into environments (workspace_id, id, user_id, name, created_at, updated_at) "
        "values ($1, $2, $3, $4, $5, $6)",
        person.workspace_id,
        made,
        person.user_id,
        *row,
    )
    return str(made)


async def test_a_cursor_keeps_to_its_filters(alice: httpx.AsyncClient) -> None:
    for name in ("x1", "y1", "x2", "y2", "x3"):
        await create(alice, name)
    query: dict[str, Any] = {"search": "x", "sort": "name", "limit": 2}
    first = (await alice.get(ALL, params=query)).json()
    cursor = first["pagination"]["nextCursor"]
    second = (await alice.get(ALL, params=query | {"cursor": cursor})).json()
    assert [item["name"] for item in first["data"] + second["data"]] == ["x1", "x2", "x3"]
    assert second["pagination"]["page"] is None
    assert second["pagination"]["total"] == 3


async def test_a_list_shows_each_environments_secrets_by_name(alice: httpx.AsyncClient) -> None:
    first, second = await create(alice, "first"), await create(alice, "second")
    for name in ("B", "A", "a"):
        await alice.put(f"{ALL}/{first['id']}/secrets/{name}", json={"value": "v"})
    found = {item["id"]: item["secrets"] for item in await listed(alice)}
    assert [secret["name"] for secret in found[first["id"]]] == ["A", "B", "a"]
    assert all(set(secret) == {"name", "updatedAt"} for secret in found[first["id"]])
    assert found[second["id"]] == []
