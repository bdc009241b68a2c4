"""What a careful client may meet: conditions, ranges, spellings, methods, large bodies."""

import time

import httpx
import msgspec
import pytest

from roost.web.body import _check_depth
from tests.support.house import House
from tests.tasks.test_crud import TASKS, make


async def test_the_tag_of_a_read_is_a_condition_for_a_write(alice: httpx.AsyncClient) -> None:
    task = await make(alice)
    path = f"{TASKS}/{task['id']}"
    read = (await alice.get(path)).headers["etag"]

    first = await alice.patch(path, json={"title": "One"}, headers={"if-match": read})
    second = await alice.patch(path, json={"title": "Two"}, headers={"if-match": read})

    assert (first.status_code, second.status_code) == (200, 412)


@pytest.mark.parametrize("tag", ['"other"', 'W/"v1"', "abc", '"v1-xyz"'])
async def test_a_tag_of_nothing_fails_the_condition(alice: httpx.AsyncClient, tag: str) -> None:
    task = await make(alice)

    answer = await alice.delete(f"{TASKS}/{task['id']}", headers={"if-match": tag})

    assert answer.status_code == 412
    assert answer.json()["currentVersion"] == 1


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
async def test_a_moment_out_of_range_is_refused_everywhere(
    alice: httpx.AsyncClient, moment: str
) -> None:
    task = await make(alice)
    made = await alice.post(TASKS, json={"title": "x", "dueAt": moment})
    changed = await alice.patch(f"{TASKS}/{task['id']}", json={"dueAt": moment})
    listed = await alice.get(TASKS, params={"createdAfter": moment})

    for answer, field in ((made, "dueAt"), (changed, "dueAt"), (listed, "createdAfter")):
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == field


async def test_parameters_may_be_written_in_snake_case(alice: httpx.AsyncClient) -> None:
    await make(alice, title="a")
    await make(alice, title="b")

    answer = await alice.get(TASKS, params={"sort_by": "title", "sort_order": "desc"})

    assert [task["title"] for task in answer.json()["data"]] == ["b", "a"]
    twice = await alice.get(TASKS, params={"sort_by": "title", "sortBy": "title"})
    assert twice.status_code == 400


async def test_a_patch_of_nothing_changes_nothing(alice: httpx.AsyncClient) -> None:
    task = await make(alice)

    answer = await alice.patch(f"{TASKS}/{task['id']}", json={})

    assert answer.json()["data"] == task


async def test_options_name_every_method_of_a_path(house: House) -> None:
    client = house.client()
    assert (await client.options(TASKS)).headers["allow"] == "GET, HEAD, OPTIONS, POST"
    item = await client.options(f"{TASKS}/018f0000-0000-7000-8000-000000000000")
    assert item.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"


async def test_a_body_of_brackets_costs_no_more_to_check_than_to_decode(
    alice: httpx.AsyncClient,
) -> None:
    body = b'{"title":"x","metadata":{"a":[' + b"[]," * 700_000 + b'[]]},"nothing":1}'

    started = time.process_time()
    _check_depth(body)
    checked = time.process_time()
    msgspec.json.decode(body)
    decoded = time.process_time()

    assert checked - started < decoded - checked
    assert (await alice.post(TASKS, content=body)).status_code == 400


@pytest.mark.parametrize("depth", [60, 63, 64, 65, 100, 5000])
async def test_nesting_is_allowed_down_to_a_depth(alice: httpx.AsyncClient, depth: int) -> None:
    nested = b"[" * (depth - 2) + b"]" * (depth - 2)

    answer = await alice.post(TASKS, content=b'{"title":"]]","metadata":{"a":' + nested + b"}}")

    assert answer.status_code == (201 if depth <= 64 else 400)


async def test_a_search_with_matches_does_not_compare_for_likeness(
    alice: httpx.AsyncClient,
) -> None:
    await make(alice, title="authentication")
    await make(alice, title="authentcation, misspelt")

    exact = await alice.get(TASKS, params={"search": "authentication"})
    alike = await alice.get(TASKS, params={"search": "authenticaton"})

    assert [task["title"] for task in exact.json()["data"]] == ["authentication"]
    assert len(alike.json()["data"]) == 2
