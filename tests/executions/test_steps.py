"""Steps: numbered without gaps, once for each client key, with the state that each leaves."""

import asyncio
import hashlib
import json
from itertools import pairwise
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.executions.states import MOST_PATCHES, Known, fold, patch_between
from tests.executions.talking import API, data, patch, problem, record, run_of


def hash_of(state: Any) -> str:
    text = json.dumps(state, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


async def test_steps_are_numbered_from_one_and_read_back_in_order(
    alice: httpx.AsyncClient,
) -> None:
    run = await run_of(alice)
    first = await record(
        alice,
        run["id"],
        type="tool_call",
        data={"tool": "bash", "args": ["ls"]},
        description="look around",
        state={"files": []},
    )
    second = await record(alice, run["id"], type="tool_result", data={"exit": 0}, durationMs=12.5)
    assert [first["number"], second["number"]] == [1, 2]
    assert first["stateHash"] == second["stateHash"] == hash_of({"files": []})
    assert first["durationMs"] >= 0
    assert second["durationMs"] == 12.5
    assert first["at"] <= second["at"]
    assert await data(alice, f"/executions/{run['id']}/steps") == [first, second]
    assert (await data(alice, f"/executions/{run['id']}"))["status"] == "running"
    assert (await data(alice, f"/executions/{run['id']}"))["stepCount"] == 2
    assert await data(alice, f"/executions/{run['id']}/steps", type="tool_call") == [first]


async def test_a_step_sent_twice_is_recorded_once(alice: httpx.AsyncClient) -> None:
    run = await run_of(alice)
    step = {"type": "message", "data": {"b": [1, 2.50], "a": None}, "clientKey": "k", "state": [1]}
    first = await record(alice, run["id"], **step)
    await record(alice, run["id"], state=[2])
    again = await record(alice, run["id"], **step | {"data": {"a": None, "b": [1, 2.5]}})
    assert again == first
    for other in ({"data": {"b": 1}}, {"state": [3]}, {"type": "decision"}, {"checkpoint": True}):
        answer = await alice.post(f"{API}/executions/{run['id']}/steps", json=step | other)
        assert problem(answer) == (422, "CLIENT_KEY_REUSED")
    await patch(alice, run["id"], status="completed")
    assert await record(alice, run["id"], **step) == first


async def test_many_writers_leave_no_gap_and_no_double(alice: httpx.AsyncClient) -> None:
    run = await run_of(alice)
    await asyncio.gather(
        *(record(alice, run["id"], clientKey=f"{n % 30}", data=n % 30) for n in range(60))
    )
    steps = await data(alice, f"/executions/{run['id']}/steps", limit=100)
    assert [step["number"] for step in steps] == list(range(1, 31))
    assert sorted(step["data"] for step in steps) == list(range(30))


async def test_a_batch_is_recorded_whole_or_not_at_all(alice: httpx.AsyncClient) -> None:
    run = await run_of(alice)
    place = f"{API}/executions/{run['id']}/steps/batch"
    known = await record(alice, run["id"], clientKey="known", data=0)
    steps = [
        {"type": "message", "data": 1},
        {"type": "message", "data": 0, "clientKey": "known"},
        {"type": "checkpoint", "state": {"n": 1}},
        {"type": "message", "data": 2, "clientKey": "two"},
        {"type": "message", "data": 2, "clientKey": "two"},
    ]
    answer = await alice.post(place, json={"steps": steps})
    assert answer.status_code == 201, answer.text
    recorded = answer.json()["data"]
    assert recorded[1] == known
    assert [step["number"] for step in recorded] == [2, 1, 3, 4, 4]
    assert recorded[2]["checkpoint"] is True
    for bad in ({"type": "rollback"}, {"type": "message", "clientKey": "two", "data": 9}, {}):
        answer = await alice.post(place, json={"steps": [{"type": "message"}, bad]})
        assert answer.status_code in {400, 422}, answer.text
    assert len(await data(alice, f"/executions/{run['id']}/steps")) == 4
    answer = await alice.post(place, json={"steps": []})
    assert problem(answer) == (400, "VALIDATION_ERROR")


async def test_the_state_is_found_at_any_step_and_time(alice: httpx.AsyncClient) -> None:
    run = await run_of(alice)
    place = f"/executions/{run['id']}"
    empty = await data(alice, f"{place}/state")
    assert empty == {"step": 0, "at": None, "state": None, "stateHash": None}
    states: list[Any] = []
    state: dict[str, Any] = {"log": []}
    for number in range(1, 2 * MOST_PATCHES + 8):
        state = {"log": [*state["log"], f"line {number}"], "n": number}
        given_state = {} if number % 7 == 0 else {"state": state}
        step = await record(alice, run["id"], checkpoint=number == 20, **given_state)
        if not given_state:
            state = states[-1]
        states.append(state)
        assert step["stateHash"] == hash_of(state)
    for number in (1, 7, 19, 20, 21, MOST_PATCHES + 1, len(states)):
        step = await data(alice, f"{place}/steps/{number}")
        assert step["state"] == states[number - 1]
        assert step["number"] == number
        assert (await data(alice, f"{place}/state", step=number))["state"] == states[number - 1]
        at = (await data(alice, f"{place}/state", at=step["at"]))["step"]
        assert (await data(alice, f"{place}/steps/{at}"))["at"] == step["at"]
    last = await data(alice, f"{place}/state")
    assert (last["step"], last["state"]) == (len(states), states[-1])
    before = await data(alice, f"{place}/state", at="2020-01-01T00:00:00Z")
    assert before["step"] == 0


async def test_a_state_is_not_stored_twice_when_little_of_it_changes(
    alice: httpx.AsyncClient, superuser: Any
) -> None:
    run = await run_of(alice)
    state = {str(number): "x" * 100 for number in range(200)}
    for number in range(5):
        await record(alice, run["id"], state=state | {"n": number})
    kept = await superuser.fetch(
        "select length(snapshot::text) as whole, length(patch::text) as patch from steps"
        " where execution_id = $1 order by number",
        run["id"],
    )
    assert kept[0]["whole"] > 20_000
    assert all(row["whole"] is None and row["patch"] < 100 for row in kept[1:])


async def test_numbers_of_a_state_are_kept_digit_by_digit(alice: httpx.AsyncClient) -> None:
    run = await run_of(alice)
    text = '{"pi": 3.14159265358979323846264338327950288, "big": 123456789012345678901234567890}'
    answer = await alice.post(
        f"{API}/executions/{run['id']}/steps",
        content=f'{{"type": "message", "state": {text}}}',
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 201
    await record(alice, run["id"], checkpoint=True)
    raw = (await alice.get(f"{API}/executions/{run['id']}/state")).text
    assert "3.14159265358979323846264338327950288" in raw
    assert "123456789012345678901234567890" in raw


async def test_a_state_that_is_too_large_is_refused_with_its_size(
    alice: httpx.AsyncClient,
) -> None:
    run = await run_of(alice)
    answer = await alice.post(
        f"{API}/executions/{run['id']}/steps",
        json={"type": "message", "state": "x" * (1024 * 1024)},
    )
    assert problem(answer) == (413, "STATE_TOO_LARGE")
    assert "1048578 bytes" in answer.json()["detail"]
    assert await data(alice, f"/executions/{run['id']}/steps") == []


@pytest.mark.parametrize(
    ("step", "field"),
    [
        ({}, "type"),
        ({"type": "thought"}, "type"),
        ({"type": "rollback"}, "type"),
        ({"type": "message", "number": 3}, "number"),
        ({"type": "message", "clientKey": ""}, "clientKey"),
        ({"type": "message", "durationMs": -1}, "durationMs"),
        ({"type": "message", "state": {"a": "\x00"}}, "state.a"),
    ],
)
async def test_bad_steps_are_refused_by_field(
    alice: httpx.AsyncClient, step: dict[str, Any], field: str
) -> None:
    run = await run_of(alice)
    answer = await alice.post(f"{API}/executions/{run['id']}/steps", json=step)
    assert problem(answer) == (400, "VALIDATION_ERROR")
    assert answer.json()["errors"][0]["field"] == field


async def test_a_step_that_is_not_there_is_not_found(alice: httpx.AsyncClient) -> None:
    run = await run_of(alice)
    for number in ("1", "0", "x", "99999999999"):
        answer = await alice.get(f"{API}/executions/{run['id']}/steps/{number}")
        assert problem(answer) == (404, "STEP_NOT_FOUND")
    answer = await alice.get(f"{API}/executions/{run['id']}/state", params={"step": 3})
    assert problem(answer) == (404, "STEP_NOT_FOUND")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.decimals(allow_nan=False, allow_infinity=False, places=3).map(float)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=25,
)


def spelt(value: Any) -> bytes:
    import msgspec  # noqa: PLC0415 -- as the server spells it

    return msgspec.json.encode(msgspec.json.decode(json.dumps(value)), order="sorted")


@given(st.lists(JSON, min_size=1, max_size=12))
def test_what_is_folded_is_what_was_recorded(states: list[Any]) -> None:
    texts = [spelt(state) for state in states]
    pieces = [b'{"number":1,"value":%s}' % texts[0]]
    for number, (before, after) in enumerate(pairwise(texts), 2):
        patch_ = patch_between(before, after)
        if patch_ is None:
            pieces = []
        pieces.append(b'{"number":%d,"value":%s}' % (number, after if patch_ is None else patch_))
        assert fold((b"[" + b",".join(pieces) + b"]").decode()) == after


def test_remembered_states_stay_within_their_limit() -> None:
    import uuid  # noqa: PLC0415

    known = Known(limit=100)
    runs = [uuid.uuid4() for _ in range(5)]
    for run in runs:
        known.note(run, b"x" * 40, None)
    found = [known.find(run, hashlib.sha256(b"x" * 40).hexdigest()) for run in runs]
    assert found == [None, None, None, b"x" * 40, b"x" * 40]


def test_states_that_differ_much_are_not_compared() -> None:
    before, after = list(range(5000)), list(range(5000, 0, -1))
    assert patch_between(spelt(before), spelt(after)) is None
    assert patch_between(spelt(before), spelt([*before[:100], "x", *before[101:]])) is not None


def test_small_numbers_are_patched_like_others() -> None:
    before = b'{"long":"%s","p":0.0000001}' % (b"x" * 200)
    after = b'{"long":"%s","p":0.0000002}' % (b"x" * 200)
    assert patch_between(before, after) == b'[{"op":"replace","path":"/p","value":0.0000002}]'


async def test_a_checkpoint_of_a_state_that_stays_stores_nothing(
    alice: httpx.AsyncClient, superuser: Any
) -> None:
    run = await run_of(alice)
    await record(alice, run["id"], state={"long": "x" * 10_000})
    body = {"steps": [{"type": "checkpoint"}] * 60}
    answer = await alice.post(f"{API}/executions/{run['id']}/steps/batch", json=body)
    assert answer.status_code == 201
    kept = (
        "select count(*) from steps where execution_id = $1"
        " and (snapshot is not null or patch is not null)"
    )
    assert await superuser.fetchval(kept, run["id"]) == 1
    assert (await data(alice, f"/executions/{run['id']}/steps/61"))["state"] == {
        "long": "x" * 10_000
    }


async def test_a_state_may_be_null(alice: httpx.AsyncClient) -> None:
    run = await run_of(alice)
    states = [None, None, {"a": 1}, None, {"a": 2}, None, None]
    for number, state in enumerate(states, 1):
        await record(alice, run["id"], state=state)
        assert (await data(alice, f"/executions/{run['id']}/steps/{number}"))["state"] == state
    state = await data(alice, f"/executions/{run['id']}/state", step=1)
    assert state["stateHash"] == hash_of(None)


async def test_data_that_is_too_large_is_refused_with_its_size(alice: httpx.AsyncClient) -> None:
    run = await run_of(alice)
    answer = await alice.post(
        f"{API}/executions/{run['id']}/steps", json={"type": "message", "data": "x" * 262_144}
    )
    assert problem(answer) == (413, "STATE_TOO_LARGE")
    assert answer.json()["errors"][0]["field"] == "data"
