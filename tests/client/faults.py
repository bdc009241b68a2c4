"""Faults that a server can't be made to have at will, and time that tests own."""

import asyncio
from collections.abc import Callable

import httpx

from roost.client import Roost

Handler = Callable[[httpx.Request], httpx.Response]


class Losing(httpx.AsyncBaseTransport):
    """Passes requests on, and loses the answers to those that are to be lost.

    `lose` names the end of the path of the next request whose answer is lost, `deaf` says that
    nothing gets through at all.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self.lose: list[tuple[str, str]] = []
        self.deaf = False
        self.sent: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.deaf:
            await asyncio.sleep(0.01)
            message = "nobody there"
            raise httpx.ConnectError(message)
        self.sent.append(request)
        response = await self._inner.handle_async_request(request)
        for each in self.lose:
            if request.method == each[0] and request.url.path.endswith(each[1]):
                self.lose.remove(each)
                message = "the line is cut"
                raise httpx.ReadError(message)
        return response


class Time:
    """A clock that goes on only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def clock(self) -> float:
        """Give the seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time go on."""
        self.slept.append(seconds)
        self.now += seconds


def client_of(handler: Handler, time: Time | None = None, retries: int = 4) -> Roost:
    """Give a client whose server is a function; the shortest waits, in owned time."""
    time = time or Time()
    return Roost(
        "http://roost.test",
        "a-token",
        retries=retries,
        transport=httpx.MockTransport(handler),
        sleep=time.sleep,
        clock=time.clock,
        jitter=lambda: 0.0,
    )


def answers(*given: httpx.Response | Exception) -> tuple[Handler, list[httpx.Request]]:
    """Make a server that gives these answers one after the other, and what it was asked."""
    asked: list[httpx.Request] = []
    left = list(given)

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    return handler, asked


def problem(status: int, code: str, **members: object) -> httpx.Response:
    """Make a refusal as Roost writes it."""
    document = {"status": status, "code": code, "detail": "because", "errors": [], **members}
    return httpx.Response(
        status, json=document, headers={"content-type": "application/problem+json"}
    )
