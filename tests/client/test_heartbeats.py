"""Heartbeats through bad weather, in time that the test owns."""

import asyncio
import threading
from collections.abc import Callable
from itertools import pairwise

import httpx
import pytest

from roost.client import AsyncRoost
from tests.client.faults import Time, client_of, problem
from tests.client.samples import CLAIMED, EXECUTION

BEAT = httpx.Response(200, json={"data": EXECUTION})
ENDED = httpx.Response(200, json={"data": {**EXECUTION, "status": "completed"}})
Answer = httpx.Response | Exception


class Server:
    """Grants one claim, and answers heartbeats as it is told; notes when they came."""

    def __init__(self, beats: Callable[[int], Answer]) -> None:
        self.time = Time()
        self.beats: list[float] = []
        self.ended: list[httpx.Request] = []
        self._answer = beats

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        if request.url.path.endswith("/claim"):
            return httpx.Response(201, json={"data": CLAIMED})
        if not request.url.path.endswith("/heartbeat"):
            self.ended.append(request)
            return httpx.Response(ENDED.status_code, content=ENDED.content)
        self.beats.append(self.time.now - 1000.0)
        answer = self._answer(len(self.beats))
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, content=answer.content)

    def client(self) -> AsyncRoost:
        """Give a client that lives in this time."""

        async def sleep(seconds: float) -> None:
            self.time.sleep(seconds)
            await asyncio.sleep(0)

        return AsyncRoost(
            "http://roost.test",
            "a-token",
            transport=httpx.MockTransport(self.handle),
            sleep=sleep,
            clock=self.time.clock,
            jitter=lambda: 0.0,
        )


async def test_the_lease_is_renewed_every_third_of_it() -> None:
    enough = asyncio.Event()

    def beats(number: int) -> Answer:
        if number == 5:
            enough.set()
        return BEAT

    server = Server(beats)
    async with server.client() as roost:
        async for run in roost.work("fixer", lease_seconds=60, limit=1):
            async with run:
                await enough.wait()
            assert run.outcome == "completed"
    assert server.beats[:5] == [20, 40, 60, 80, 100]


async def test_heartbeats_that_fail_for_a_while_lose_nothing() -> None:
    faults: list[Answer] = [
        httpx.ConnectError("nobody there"),
        httpx.ReadTimeout("too slow"),
        problem(503, "DATABASE_UNAVAILABLE"),
        problem(500, "INTERNAL_ERROR"),
        problem(429, "RATE_LIMITED"),
        httpx.Response(502, text="<html>Bad gateway</html>"),
    ]
    enough = asyncio.Event()

    def beats(number: int) -> Answer:
        if number <= len(faults):
            return faults[number - 1]
        if number == len(faults) + 2:
            enough.set()
        return BEAT

    server = Server(beats)
    async with server.client() as roost:
        async for run in roost.work("fixer", lease_seconds=60, limit=1):
            async with run:
                await enough.wait()
            assert run.outcome == "completed"
            assert not run.lost
    waits = [later - earlier for earlier, later in pairwise(server.beats)]
    assert waits[:7] == [0.125, 0.25, 0.5, 1, 2, 4, 20]


async def test_heartbeats_that_never_come_through_lose_the_lease_when_it_is_gone() -> None:
    server = Server(lambda _: httpx.ConnectError("nobody there"))
    went_on = False
    async with server.client() as roost:
        async for run in roost.work("fixer", lease_seconds=60, limit=1):
            async with run:
                await asyncio.Event().wait()
                went_on = True
            assert run.outcome == "lost"
    assert not went_on
    assert server.time.now == 1060.0, "not a second after the lease, nor before"
    assert len(server.beats) > 10
    assert server.ended == [], "nothing is told of a run that is lost"


@pytest.mark.parametrize(
    "refusal",
    [
        problem(409, "LEASE_EXPIRED"),
        problem(404, "EXECUTION_NOT_FOUND"),
        problem(403, "NOT_THE_CLAIMANT"),
        problem(401, "UNAUTHORIZED"),
    ],
    ids=lambda answer: str(answer.status_code),
)
async def test_a_lease_that_roost_denies_is_lost_at_once(refusal: httpx.Response) -> None:
    server = Server(lambda _: refusal)
    async with server.client() as roost:
        async for run in roost.work("fixer", lease_seconds=60, limit=1):
            async with run:
                await asyncio.Event().wait()
            assert run.lost
    assert server.beats == [20]


async def test_a_fault_of_the_heartbeats_own_stops_the_work() -> None:
    def beats(_: int) -> Answer:
        message = "a fault in the transport"
        raise RuntimeError(message)

    server = Server(beats)
    async with server.client() as roost:
        async for run in roost.work("fixer", limit=1):
            async with run:
                await asyncio.Event().wait()
            assert run.outcome == "lost"


async def test_a_cancellation_from_outside_is_not_taken_for_the_servers() -> None:
    cancelled = httpx.Response(200, json={"data": {**EXECUTION, "status": "cancelled"}})
    both: list[asyncio.Task[None]] = []

    def beats(_: int) -> Answer:
        both[0].cancel()
        return cancelled

    server = Server(beats)

    async def agent() -> None:
        async with server.client() as roost:
            async for run in roost.work("fixer"):
                async with run:
                    await asyncio.Event().wait()

    both.append(asyncio.create_task(agent()))
    with pytest.raises(asyncio.CancelledError):
        await both[0]


def test_without_asyncio_a_thread_does_the_same() -> None:
    gone = threading.Event()

    def beats(number: int) -> Answer:
        if number > 3:
            gone.set()
        return BEAT if number < 3 else problem(409, "LEASE_EXPIRED")

    server = Server(beats)
    with client_of(server.handle, server.time) as roost:
        for run in roost.work("fixer", limit=1):
            with run:
                while not run.lost:
                    gone.wait(0.01)
                run.log("too late")
            assert run.outcome == "lost"
    assert server.beats == [20, 40, 60]
