"""Two runs side by side: what is the same, what changed, what only one of them has."""

import json
from typing import Any

import httpx
import jsonpatch
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roost.executions import compare
from tests.executions.talking import API, patch, problem, record, run_of
from tests.support.house import House

Step = dict[str, Any]


async def recorded(client: httpx.AsyncClient, *steps: Step, **task: Any) -> str:
    """Make a run with these steps; gives its id."""
    run = str((await run_of(client, **task))["id"])
    if steps:
        body = {"steps": [{"type": "message", **step} for step in steps]}
        answer = await client.post(f"{API}/executions/{run}/steps/batch", json=body)
        assert answer.status_code == 201, answer.text
    return run


async def compared(client: httpx.AsyncClient, left: str, right: str) -> dict[str, Any]:
    answer = await client.get(f"{API}/executions/{left}/compare", params={"with": right})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["data"]
    return found


def call(tool: str, **data: Any) -> Step:
    return {"type": "tool_call", "data": {"tool": tool, **data}}


def shape(found: dict[str, Any]) -> list[tuple[int | None, int | None, str]]:
    """Give the rows by their steps' numbers."""
    return [
        (row["left"] and row["left"]["number"], row["right"] and row["right"]["number"],
         row["change"])
        for row in found["steps"]
    ]  # fmt: skip


def compared_part(step: Step) -> Step:
    return {name: step[name] for name in ("type", "description", "data")}


async def test_a_good_run_and_a_failed_one_are_told_apart(alice: httpx.AsyncClient) -> None:
    start = {"type": "start", "state": {"files": {"a.py": "1"}}}
    good = await recorded(
        alice,
        start,
        call("read", path="a.py"),
        {**call("edit", path="a.py", line=3), "description": "Mend it"},
        call("test"),
        {"type": "end"},
    )
    bad = await recorded(
        alice,
        start,
        call("read", path="a.py"),
        {**call("edit", path="a.py", line=4), "description": "Mend it"},
        {"type": "error", "description": "It broke"},
    )
    await patch(alice, good, status="completed", usage={"tokensIn": 10, "tokensOut": 4, "cost": 1})
    await patch(alice, bad, status="failed")

    found = await compared(alice, good, bad)

    assert found["divergesAt"] == 3
    rows = shape(found)
    assert rows[:3] == [(1, 1, "same"), (2, 2, "same"), (3, 3, "changed")]
    assert set(rows[3:]) == {(4, None, "missing"), (5, None, "missing"), (None, 4, "extra")}
    assert [row["diff"] for row in found["steps"]] == [
        None,
        None,
        [{"op": "replace", "path": "/data/line", "value": 4}],
        None,
        None,
        None,
    ]
    summary = found["summary"]
    assert {name: summary[name] for name in ("same", "changed", "missing", "extra")} == {
        "same": 2,
        "changed": 1,
        "missing": 2,
        "extra": 1,
    }
    left, right = summary["left"], summary["right"]
    assert (left["id"], left["status"], left["steps"]) == (good, "completed", 5)
    assert (right["id"], right["status"], right["steps"]) == (bad, "failed", 4)
    assert left["tools"] == {"edit": 1, "read": 1, "test": 1}
    assert right["tools"] == {"edit": 1, "read": 1}
    assert left["usage"] == {"tokensIn": 10, "tokensOut": 4, "cost": 1}
    assert left["durationMs"] > 0
    assert found["stateDiffsLeftOut"] == 0


async def test_a_run_is_the_same_as_itself_and_as_its_repetition(alice: httpx.AsyncClient) -> None:
    steps = [{"data": {"b": [1, 2.50], "a": None}, "state": {"n": n}} for n in range(3)]
    swapped = [
        {"data": {"a": None, "b": [1, 2.50]}, "state": {"n": n}, "clientKey": f"{n}"}
        for n in range(3)
    ]
    one, other = await recorded(alice, *steps), await recorded(alice, *swapped)
    for right in (one, other):
        found = await compared(alice, one, right)
        assert found["divergesAt"] is None
        assert shape(found) == [(n, n, "same") for n in (1, 2, 3)]
        assert found["summary"]["left"]["tools"] == {}


async def test_two_runs_without_steps_do_not_diverge(alice: httpx.AsyncClient) -> None:
    one, other = await recorded(alice), await recorded(alice)
    found = await compared(alice, one, other)
    assert (found["divergesAt"], found["steps"]) == (None, [])
    longer = await recorded(alice, {"description": "more"})
    assert (await compared(alice, one, longer))["divergesAt"] == 1


async def test_states_that_differ_are_in_the_diff(alice: httpx.AsyncClient) -> None:
    one = await recorded(alice, {"state": {"files": [1, 2], "same": 1}}, {"description": "on"})
    other = await recorded(alice, {"state": {"files": [1, 3], "same": 1}}, {"description": "on"})
    found = await compared(alice, one, other)
    assert shape(found) == [(1, 1, "changed"), (2, 2, "changed")]
    expected = [{"op": "replace", "path": "/state/files/1", "value": 3}]
    assert [row["diff"] for row in found["steps"]] == [expected, expected]
    stateless = await recorded(alice, {"description": "none"})
    [row, _] = (await compared(alice, stateless, one))["steps"]
    left = {**compared_part(row["left"]), "state": None}
    assert jsonpatch.apply_patch(left, row["diff"]) == {
        **compared_part(row["right"]),
        "state": {"files": [1, 2], "same": 1},
    }


async def test_diffs_of_states_beyond_the_limit_are_said_to_be_left_out(
    alice: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await recorded(alice, *({"state": {"n": n}} for n in range(6)))
    other = await recorded(alice, *({"state": {"n": -1 - n}} for n in range(6)))
    monkeypatch.setattr(compare, "MOST_STATES", 4)
    found = await compared(alice, one, other)
    assert found["stateDiffsLeftOut"] == 2
    assert [bool(row["diff"]) for row in found["steps"]] == [True] * 4 + [False] * 2
    monkeypatch.setattr(compare, "MOST_STATE_BYTES", 40)
    found = await compared(alice, one, other)
    assert found["stateDiffsLeftOut"] == 4


async def test_the_answer_has_a_tag(alice: httpx.AsyncClient) -> None:
    run = await recorded(alice, {})
    path = f"{API}/executions/{run}/compare?with={run}"
    tag = (await alice.get(path)).headers["etag"]
    assert (await alice.get(path, headers={"if-none-match": tag})).status_code == 304


async def test_only_runs_of_the_workspace_are_compared(
    alice: httpx.AsyncClient, bob: httpx.AsyncClient, house: House
) -> None:
    mine, theirs = await recorded(alice, {}), await recorded(bob, {})
    for left, right, field in ((mine, theirs, "with"), (theirs, mine, "id")):
        refused = await alice.get(f"{API}/executions/{left}/compare", params={"with": right})
        assert problem(refused) == (404, "EXECUTION_NOT_FOUND")
        assert refused.json()["errors"][0]["field"] == field
    seen = await house.client("victor").get(f"{API}/executions/{mine}/compare?with={mine}")
    assert seen.status_code == 200


async def test_what_is_too_long_is_refused(alice: httpx.AsyncClient, superuser: Any) -> None:
    short, long = await recorded(alice, {}), await recorded(alice, {})
    await superuser.execute(
        "insert into steps (workspace_id, id, execution_id, number, type)"
        " select workspace_id, gen_random_uuid(), execution_id, n, 'message'"
        " from steps, generate_series(2, 10001) n where execution_id = $1",
        long,
    )
    refused = await alice.get(f"{API}/executions/{short}/compare", params={"with": long})
    assert problem(refused) == (422, "EXECUTION_TOO_LONG")
    assert refused.json()["errors"][0]["field"] == "with"
    await superuser.execute("delete from steps where execution_id = $1 and number > 9000", long)
    assert (await compared(alice, long, short))["summary"]["missing"] == 8999
    await superuser.execute(
        "update steps set data = jsonb_build_object('x', repeat('x', 2000))"
        " where execution_id = $1",
        long,
    )
    refused = await alice.get(f"{API}/executions/{long}/compare", params={"with": short})
    assert problem(refused) == (422, "EXECUTION_TOO_LONG")
    assert "bytes" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("query", "field"),
    [("", "with"), ("?with=x", "with"), ("?with=", "with"), ("?other=1", "other")],
)
async def test_bad_questions_are_refused_by_parameter(
    alice: httpx.AsyncClient, query: str, field: str
) -> None:
    run = await recorded(alice)
    refused = await alice.get(f"{API}/executions/{run}/compare{query}")
    assert problem(refused) == (400, "VALIDATION_ERROR")
    assert refused.json()["errors"][0]["field"] == field


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "x", 'a"~/b']),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["tool", "name", "a/b", "~"]), inner, max_size=3)
    ),
    max_leaves=6,
)
STEPS = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["message", "tool_call"])},
        optional={
            "data": VALUES,
            "description": st.sampled_from(["one", "two"]),
            "state": st.fixed_dictionaries({"files": VALUES}),
        },
    ),
    max_size=6,
)


def reordered(value: Any) -> Any:
    """Give the same value with every object's names in the other order."""
    if isinstance(value, dict):
        return {name: reordered(inner) for name, inner in reversed(value.items())}
    return [reordered(inner) for inner in value] if isinstance(value, list) else value


async def states(client: httpx.AsyncClient, run: str, count: int) -> list[Any]:
    found = []
    for number in range(1, count + 1):
        answer = await client.get(f"{API}/executions/{run}/state", params={"step": number})
        found.append(answer.json()["data"]["state"])
    return found


@settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(left=STEPS, right=STEPS)
async def test_whatever_the_runs_hold(
    alice: httpx.AsyncClient, left: list[Step], right: list[Step]
) -> None:
    one, other = await recorded(alice, *left), await recorded(alice, *right)
    found, mirrored = await compared(alice, one, other), await compared(alice, other, one)
    turned = {"same": "same", "changed": "changed", "missing": "extra", "extra": "missing"}

    assert found["divergesAt"] == mirrored["divergesAt"]
    assert [(row["right"], row["left"], turned[row["change"]]) for row in mirrored["steps"]] == [
        (row["left"], row["right"], row["change"]) for row in found["steps"]
    ]
    assert mirrored["summary"]["left"] == found["summary"]["right"]
    of = await states(alice, one, len(left)), await states(alice, other, len(right))
    for row in (*found["steps"], *mirrored["steps"]):
        if row["change"] == "changed":
            documents = [compared_part(row[side]) for side in ("left", "right")]
            if row["left"]["stateHash"] != row["right"]["stateHash"]:
                sides = of if row["left"]["executionId"] == one else of[::-1]
                for document, known, side in zip(documents, sides, ("left", "right"), strict=True):
                    document["state"] = known[row[side]["number"] - 1]
            assert row["diff"]
            assert jsonpatch.apply_patch(documents[0], row["diff"]) == documents[1]
        else:
            assert row["diff"] is None

    again = await recorded(alice, *reordered(left))
    assert json.dumps(left) == json.dumps(reordered(reordered(left)))
    assert (await compared(alice, one, again))["divergesAt"] is None
    assert shape(await compared(alice, again, other)) == shape(found)


async def test_a_step_recorded_meanwhile_is_in_the_next_comparison(
    alice: httpx.AsyncClient,
) -> None:
    run, other = await recorded(alice, {"description": "a"}), await recorded(alice)
    await record(alice, other, description="a")
    assert (await compared(alice, run, other))["divergesAt"] is None
    await record(alice, other, description="b")
    assert shape(await compared(alice, run, other)) == [(1, 1, "same"), (None, 2, "extra")]
