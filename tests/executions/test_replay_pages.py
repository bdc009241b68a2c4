"""A replay as pages of JSON, and questions that make no sense."""

from typing import Any

import httpx
import pytest

from roost.executions import replay
from tests.executions.talking import API, problem, run_of
from tests.executions.test_replay import Time, played, recorded
from tests.executions.test_replay import clock as clock  # noqa: PLC0414 -- a fixture
from tests.executions.test_replay import house as house  # noqa: PLC0414 -- a fixture
from tests.support.house import House


@pytest.mark.parametrize("limit", [1, 3, 50, 100])
async def test_as_json_it_is_the_same_in_pages(
    alice: httpx.AsyncClient, superuser: Any, limit: int
) -> None:
    run = await recorded(alice, superuser, 7, seconds=0.0)
    steps = [step for name, _, step in await played(alice, run) if name == "step"]
    found, cursor = [], None
    while True:
        query: dict[str, Any] = {
            "format": "json",
            "limit": limit,
            **({"cursor": cursor} if cursor else {}),
        }
        answer = await alice.get(f"{API}/executions/{run}/replay", params=query)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert len(page["data"]) <= limit
        assert page["pagination"]["total"] == 7
        found += page["data"]
        cursor = page["pagination"]["nextCursor"]
        if cursor is None:
            break
    assert found == steps


async def test_a_page_of_large_states_ends_early(
    alice: httpx.AsyncClient, superuser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await recorded(alice, superuser, 50, seconds=0.0)
    monkeypatch.setattr(replay, "PAGE_BYTES", 1000)
    path = f"{API}/executions/{run}/replay?format=json&limit=100"
    first = (await alice.get(path)).json()
    assert len(first["data"]) == replay.AT_ONCE
    rest = (await alice.get(f"{path}&cursor={first['pagination']['nextCursor']}")).json()
    assert rest["data"][0]["number"] == replay.AT_ONCE + 1


async def test_who_accepts_json_gets_json_at_once(
    alice: httpx.AsyncClient, superuser: Any, clock: Time
) -> None:
    run = await recorded(alice, superuser, 2)
    path = f"{API}/executions/{run}/replay"
    answer = await alice.get(path, headers={"accept": "application/json"})
    assert [step["number"] for step in answer.json()["data"]] == [1, 2]
    assert clock.waits == []
    tag = answer.headers["etag"]
    again = await alice.get(path, headers={"accept": "application/json", "if-none-match": tag})
    assert again.status_code == 304
    for accept in ("*/*", "text/event-stream", "application/json, text/event-stream"):
        answer = await alice.get(path, headers={"accept": accept})
        assert answer.headers["content-type"].startswith("text/event-stream")
    explicit = await alice.get(f"{path}?format=sse", headers={"accept": "application/json"})
    assert explicit.headers["content-type"].startswith("text/event-stream")


async def test_head_says_what_kind_of_answer_there_would_be(
    alice: httpx.AsyncClient, superuser: Any, clock: Time
) -> None:
    run = await recorded(alice, superuser, 2)
    for query, kind in (("", "text/event-stream"), ("?format=json", "application/json")):
        answer = await alice.head(f"{API}/executions/{run}/replay{query}")
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-type"].startswith(kind)
    assert clock.waits == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("speed=0.2", "speed"),
        ("speed=10.5", "speed"),
        ("speed=nan", "speed"),
        ("speed=fast", "speed"),
        ("maxGap=-1", "maxGap"),
        ("maxGap=1e9", "maxGap"),
        ("from=0", "from"),
        ("from=99999999999", "from"),
        ("from=3&to=2", "to"),
        ("format=xml", "format"),
        ("format=json&limit=101", "limit"),
        ("format=json&cursor=nonsense", "cursor"),
        ("format=json&cursor=WyJudW1iZXIiLCIteCJd", "cursor"),
        ("format=json&cursor=WyJudW1iZXIiLG51bGxd", "cursor"),
        ("cursor=WyJudW1iZXIiLCIxIl0", "cursor"),
    ],
)
async def test_bad_questions_are_refused_by_parameter(
    alice: httpx.AsyncClient, query: str, field: str
) -> None:
    run = (await run_of(alice))["id"]
    refused = await alice.get(f"{API}/executions/{run}/replay?{query}")
    assert problem(refused) == (400, "VALIDATION_ERROR")
    assert refused.json()["errors"][0]["field"] == field


@pytest.mark.parametrize("had", ["x", "-1", "99999999999", "1.5", ""])
async def test_an_id_that_no_event_had_is_refused(alice: httpx.AsyncClient, had: str) -> None:
    run = (await run_of(alice))["id"]
    refused = await alice.get(f"{API}/executions/{run}/replay", headers={"last-event-id": had})
    assert problem(refused) == (400, "VALIDATION_ERROR")


async def test_only_the_workspace_sees_it(
    alice: httpx.AsyncClient, bob: httpx.AsyncClient, house: House
) -> None:
    run = (await run_of(alice))["id"]
    for query in ("", "?format=json", "?from=3"):
        refused = await bob.get(f"{API}/executions/{run}/replay{query}")
        assert problem(refused) == (404, "EXECUTION_NOT_FOUND")
        seen = await house.client("victor").get(f"{API}/executions/{run}/replay{query}")
        assert seen.status_code == 200
