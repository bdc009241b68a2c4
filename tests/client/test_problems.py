"""Refusals, as exceptions that say what was wrong."""

import pickle

import httpx
import pytest

from roost.client import (
    AsyncRoost,
    Conflict,
    FieldError,
    LeaseLost,
    NotFound,
    Roost,
    RoostError,
    Unreachable,
)
from tests.client.conftest import URL
from tests.client.faults import answers, client_of, problem
from tests.client.samples import CLAIMED, ID, TASK
from tests.support.house import House


async def test_what_is_not_there_is_not_found(roost: AsyncRoost, bob: AsyncRoost) -> None:
    theirs = await bob.tasks.create("bob's")
    for missing in (theirs.id, ID):
        with pytest.raises(NotFound) as caught:
            await roost.tasks.get(missing)
        assert caught.value.status == 404
    assert caught.value.code == "TASK_NOT_FOUND"


async def test_a_field_that_is_wrong_is_named(roost: AsyncRoost) -> None:
    with pytest.raises(RoostError, match="priority") as caught:
        await roost.tasks.create("Mend it", priority="soon")
    assert (caught.value.status, caught.value.code) == (400, "VALIDATION_ERROR")
    [found] = caught.value.errors
    assert isinstance(found, FieldError)
    assert found.field == "priority"


async def test_a_change_of_an_older_version_is_a_conflict(roost: AsyncRoost) -> None:
    task = await roost.tasks.create("Mend it")
    newer = await roost.tasks.update(task.id, version=task.version, labels=["web"])
    assert newer.labels == ["web"]
    with pytest.raises(Conflict) as caught:
        await roost.tasks.update(task.id, version=task.version, title="Mended")
    assert caught.value.code == "PRECONDITION_FAILED"


async def test_a_run_that_has_ended_is_lost(roost: AsyncRoost) -> None:
    await roost.tasks.create("Mend it")
    run = await roost.executions.claim("fixer")
    assert run is not None
    await roost.executions.complete(run.id)
    for call in (
        roost.executions.heartbeat(run.id),
        roost.steps.record(run.id, "message"),
        roost.executions.update(run.id, output="late"),
    ):
        with pytest.raises(LeaseLost) as caught:
            await call
        assert caught.value.code == "EXECUTION_ENDED"
        assert caught.value.status == 409
        assert caught.value.hint


async def test_a_token_that_is_unknown_is_told_and_not_shown(house: House) -> None:
    transport = httpx.ASGITransport(house.app)
    async with AsyncRoost(URL, "made-up-token", transport=transport) as stranger:
        with pytest.raises(RoostError) as caught:
            await stranger.tasks.list()
    assert (caught.value.status, caught.value.code) == (401, "UNAUTHORIZED")
    assert "made-up-token" not in str(caught.value) + repr(caught.value) + repr(stranger)


def test_what_is_no_problem_document_is_told_by_its_status() -> None:
    for answer, code in (
        (httpx.Response(403, text="<html>no</html>"), "HTTP_403"),
        (httpx.Response(301, headers={"location": "https://elsewhere.test"}), "HTTP_301"),
        (httpx.Response(500, json=["odd"]), "HTTP_500"),
        (problem(400, "VALIDATION_ERROR", errors="odd", hint=3), "VALIDATION_ERROR"),
    ):
        handler, asked = answers(answer)
        with client_of(handler) as roost, pytest.raises(RoostError) as caught:
            roost.tasks.get(ID)
        assert caught.value.code == code
        assert len(asked) == 1


def test_an_answer_that_is_not_what_was_asked_for_is_told() -> None:
    for content in ("<html>hello</html>", '{"data": {}}', "[]"):
        handler, _ = answers(httpx.Response(200, text=content))
        with client_of(handler) as roost, pytest.raises(RoostError) as caught:
            roost.tasks.get(ID)
        assert caught.value.code == "UNREADABLE_ANSWER"


def test_fields_of_a_newer_server_are_passed_over() -> None:
    handler, _ = answers(httpx.Response(200, json={"data": {**TASK, "mood": "good"}}))
    with client_of(handler) as roost:
        assert roost.tasks.get(ID).title == "Mend it"


def test_an_address_where_nobody_is_is_unreachable() -> None:
    with Roost("http://127.0.0.1:9", "t", retries=0) as roost, pytest.raises(Unreachable) as caught:
        roost.tasks.get(ID)
    assert caught.value.status is None


def test_a_mistaken_address_is_not_tried_again() -> None:
    slept: list[float] = []
    with (
        Roost("gopher://x", "t", sleep=slept.append) as roost,
        pytest.raises(Unreachable),
    ):
        roost.tasks.get(ID)
    assert slept == []


def test_what_is_printed_of_a_claim_has_no_secrets() -> None:
    secret = {**CLAIMED, "secrets": {"KEY": "hush-hush"}}
    handler, _ = answers(httpx.Response(201, json={"data": secret}))
    with client_of(handler) as roost:
        claimed = roost.executions.claim("fixer")
    assert claimed is not None
    assert claimed.secrets == {"KEY": "hush-hush"}
    assert "hush" not in repr(claimed) + str(claimed)


def test_errors_can_be_handed_from_process_to_process() -> None:
    error = NotFound("gone", code="TASK_NOT_FOUND", status=404)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 -- its own
    assert (str(copy), copy.code, copy.status) == (str(error), "TASK_NOT_FOUND", 404)


def test_address_and_token_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    handler, asked = answers(*[httpx.Response(200, json={"data": TASK})] * 2)
    monkeypatch.setenv("ROOST_URL", "https://roost.example/below/")
    monkeypatch.setenv("ROOST_TOKEN", "from-the-environment")
    with Roost(transport=httpx.MockTransport(handler), workspace="mine") as roost:
        roost.tasks.get(ID)
    assert str(asked[0].url) == f"https://roost.example/below/api/v1/tasks/{ID}"
    assert asked[0].headers["authorization"] == "Bearer from-the-environment"
    assert asked[0].headers["roost-workspace"] == "mine"
    monkeypatch.delenv("ROOST_TOKEN")
    with pytest.raises(ValueError, match="ROOST_TOKEN"):
        Roost()
