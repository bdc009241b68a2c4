"""What is sent again, how often, and after what wait."""

import httpx
import pytest

from roost.client import AsyncRoost, RateLimited, RoostError, Unreachable
from tests.client.faults import Time, answers, client_of, problem
from tests.client.samples import CLAIMED, EXECUTION, ID, TASK

FOUND = httpx.Response(200, json={"data": TASK})
MADE = httpx.Response(201, json={"data": TASK})
CUT = httpx.ReadError("the line is cut")
NOBODY = httpx.ConnectError("nobody there")


@pytest.mark.parametrize(
    "fault",
    [
        CUT,
        NOBODY,
        httpx.ReadTimeout("too slow"),
        httpx.RemoteProtocolError("gone"),
        httpx.Response(502, text="<html>Bad gateway</html>"),
        problem(503, "CONTENTION"),
        problem(504, "X"),
        problem(429, "RATE_LIMITED"),
    ],
    ids=str,
)
def test_a_read_is_sent_again_when_the_answer_does_not_count(
    fault: httpx.Response | Exception,
) -> None:
    handler, asked = answers(fault, fault, FOUND)
    time = Time()
    with client_of(handler, time) as roost:
        assert roost.tasks.get(ID).title == "Mend it"
    assert len(asked) == 3
    assert time.slept == [0.125, 0.25], "each wait is twice as long"


def test_waits_grow_up_to_a_bound_and_chance_spreads_them() -> None:
    handler, asked = answers(*[CUT] * 9)
    time = Time()
    with client_of(handler, time, retries=8) as roost, pytest.raises(Unreachable):
        roost.tasks.get(ID)
    assert len(asked) == 9
    assert time.slept == [0.125, 0.25, 0.5, 1, 2, 4, 4, 4]


@pytest.mark.parametrize("fault", [problem(500, "INTERNAL_ERROR"), problem(400, "X")])
def test_what_would_fail_again_is_not_sent_again(fault: httpx.Response) -> None:
    handler, asked = answers(fault)
    with client_of(handler) as roost, pytest.raises(RoostError):
        roost.tasks.get(ID)
    assert len(asked) == 1


def test_the_server_says_how_long_to_wait() -> None:
    limited = problem(429, "RATE_LIMITED")
    limited.headers["retry-after"] = "7"
    handler, _ = answers(limited, FOUND)
    time = Time()
    with client_of(handler, time) as roost:
        roost.tasks.get(ID)
    assert time.slept == [7.0]


def test_too_long_a_wait_is_the_callers_to_decide_on() -> None:
    limited = problem(429, "RATE_LIMITED")
    limited.headers["retry-after"] = "3600"
    handler, _ = answers(limited)
    time = Time()
    with client_of(handler, time) as roost, pytest.raises(RateLimited) as caught:
        roost.tasks.get(ID)
    assert caught.value.retry_after == 3600
    assert time.slept == []


def test_a_post_has_one_key_for_all_its_tries_and_no_two_have_the_same() -> None:
    handler, asked = answers(CUT, problem(503, "DATABASE_UNAVAILABLE"), MADE, MADE)
    with client_of(handler) as roost:
        roost.tasks.create("Mend it")
        roost.tasks.create("Mend it")
    first, again, third, another = (one.headers["idempotency-key"] for one in asked)
    assert first == again == third != another


def test_a_change_of_a_task_is_not_sent_again_when_it_may_have_been_made() -> None:
    for fault in (CUT, problem(503, "DATABASE_UNAVAILABLE")):
        handler, asked = answers(fault)
        with client_of(handler) as roost, pytest.raises(RoostError):
            roost.tasks.update(ID, title="Mended")
        assert len(asked) == 1


def test_a_change_that_never_left_is_sent_again() -> None:
    handler, asked = answers(NOBODY, problem(429, "RATE_LIMITED"), FOUND)
    with client_of(handler) as roost:
        roost.tasks.update(ID, title="Mended")
    assert len(asked) == 3


def test_a_claim_in_any_workspace_has_no_key_and_is_sent_once() -> None:
    handler, asked = answers(CUT)
    with client_of(handler) as roost, pytest.raises(Unreachable):
        roost.executions.claim("fixer", any_workspace=True)
    assert [one.headers.get("idempotency-key") for one in asked] == [None]


def test_a_heartbeat_has_no_key_for_a_kept_answer_would_renew_nothing() -> None:
    handler, asked = answers(CUT, httpx.Response(200, json={"data": EXECUTION}))
    with client_of(handler) as roost:
        roost.executions.heartbeat(ID)
    assert [one.headers.get("idempotency-key") for one in asked] == [None, None]


async def test_the_client_for_asyncio_does_the_same() -> None:
    handler, asked = answers(CUT, problem(503, "CONTENTION"), MADE)
    time = Time()

    async def sleep(seconds: float) -> None:
        time.sleep(seconds)

    async with AsyncRoost(
        "http://roost.test",
        "a-token",
        transport=httpx.MockTransport(handler),
        sleep=sleep,
        clock=time.clock,
        jitter=lambda: 0.0,
    ) as roost:
        await roost.tasks.create("Mend it")
    assert time.slept == [0.125, 0.25]
    assert len({one.headers["idempotency-key"] for one in asked}) == 1


def test_a_loop_goes_on_when_there_is_no_answer_and_waits_as_it_is_told() -> None:
    limited = problem(429, "RATE_LIMITED")
    limited.headers["retry-after"] = "300"
    nothing = httpx.Response(204)
    claimed = httpx.Response(201, json={"data": CLAIMED})
    given_back = httpx.Response(200, json={"data": EXECUTION})
    handler, asked = answers(CUT, CUT, limited, nothing, claimed, given_back)
    time = Time()
    with client_of(handler, time, retries=1) as roost:
        work = roost.work("fixer", poll_seconds=2)
        assert next(work).task.title == "Mend it"
    assert time.now == 1000 + 0.125 + 2 + 300 + 2
    keys = [one.headers["idempotency-key"] for one in asked[:5]]
    assert keys[0] == keys[1] == keys[2], "the claim may have been made"
    assert len(set(keys[2:])) == 3, "the lease of the first would be gone by then"


def test_a_loop_that_need_not_wait_says_that_there_was_no_answer() -> None:
    handler, _ = answers(CUT)
    with client_of(handler, retries=0) as roost, pytest.raises(Unreachable):
        list(roost.work("fixer", poll_seconds=None))


def test_a_loop_does_not_go_on_without_the_right_to() -> None:
    handler, asked = answers(problem(403, "FORBIDDEN"))
    with client_of(handler) as roost, pytest.raises(RoostError):
        list(roost.work("fixer"))
    assert len(asked) == 1
