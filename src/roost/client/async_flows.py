"""How the client for asyncio does what flows ask for."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import httpx

from roost.client.request import Request
from roost.client.wire import Flow, Page, Pause, Send

F = TypeVar("F")
P = ParamSpec("P")
T = TypeVar("T")
Sleep = Callable[[float], Awaitable[object]]


class AsyncDriver:
    """Drives flows: sends with httpx, waits with `sleep`."""

    def __init__(self, http: httpx.AsyncClient, sleep: Sleep = asyncio.sleep) -> None:
        self.http = http
        self._sleep = sleep

    async def drive(self, flow: Flow[T]) -> T:
        """Do what the flow asks for, to its end."""
        try:
            effect = next(flow)
            while True:
                if isinstance(effect, Pause):
                    await self._sleep(effect.seconds)
                    effect = next(flow)
                    continue
                try:
                    response = await self._send(effect)
                except httpx.RequestError as error:
                    effect = flow.throw(error)
                else:
                    effect = flow.send(response)
        except StopIteration as stop:
            value: T = stop.value
            return value
        finally:
            flow.close()

    async def _send(self, effect: Send) -> httpx.Response:
        request: Request = effect.request
        return await self.http.request(
            request.method,
            request.path,
            params=request.query,
            content=request.body,
            headers=request.headers,
            timeout=httpx.USE_CLIENT_DEFAULT if effect.timeout is None else effect.timeout,
        )


class AsyncPart:
    """Something whose methods are flows of `flows`, driven."""

    def __init__(self, driver: AsyncDriver, flows: object) -> None:
        self._driver = driver
        self._flows = flows


def awaited(
    flow: Callable[Concatenate[F, P], Flow[T]],
) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]:
    """Make a method of a part out of a flow, with the same parameters."""

    @wraps(flow)
    async def method(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:  # noqa: ANN401 -- a part
        return await self._driver.drive(flow(self._flows, *args, **kwargs))  # type: ignore[no-any-return]  # a part's driver

    return method


def each(
    flow: Callable[Concatenate[F, P], Flow[Page[T]]],
) -> Callable[Concatenate[Any, P], AsyncIterator[T]]:
    """Make a method that gives the items of all pages, asking for each page when it is needed."""

    @wraps(flow)
    async def method(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:  # noqa: ANN401 -- a part
        following = flow(self._flows, *args, **kwargs)
        while True:
            page: Page[T] = await self._driver.drive(following)
            for item in page.items:
                yield item
            if page.next_cursor is None:
                return
            following = page.following()

    return method
