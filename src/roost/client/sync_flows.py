"""How the client without asyncio does what flows ask for."""

import time
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import httpx

from roost.client.request import Request
from roost.client.wire import Flow, Page, Pause, Send

F = TypeVar("F")
P = ParamSpec("P")
T = TypeVar("T")
Sleep = Callable[[float], object]


class Driver:
    """Drives flows: sends with httpx, waits with `sleep`."""

    def __init__(self, http: httpx.Client, sleep: Sleep | None = None) -> None:
        self.http = http
        self.sleep = sleep

    def drive(self, flow: Flow[T], sleep: Sleep | None = None) -> T:
        """Do what the flow asks for, to its end; `sleep` stands in for the driver's own."""
        sleep = sleep or self.sleep or time.sleep
        try:
            effect = next(flow)
            while True:
                if isinstance(effect, Pause):
                    sleep(effect.seconds)
                    effect = next(flow)
                    continue
                try:
                    response = self._send(effect)
                except httpx.RequestError as error:
                    effect = flow.throw(error)
                else:
                    effect = flow.send(response)
        except StopIteration as stop:
            value: T = stop.value
            return value
        finally:
            flow.close()

    def _send(self, effect: Send) -> httpx.Response:
        request: Request = effect.request
        return self.http.request(
            request.method,
            request.path,
            params=request.query,
            content=request.body,
            headers=request.headers,
            timeout=httpx.USE_CLIENT_DEFAULT if effect.timeout is None else effect.timeout,
        )


class Part:
    """Something whose methods are flows of `flows`, driven."""

    def __init__(self, driver: Driver, flows: object) -> None:
        self._driver = driver
        self._flows = flows


def driven(
    flow: Callable[Concatenate[F, P], Flow[T]],
) -> Callable[Concatenate[Any, P], T]:
    """Make a method of a part out of a flow, with the same parameters."""

    @wraps(flow)
    def method(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:  # noqa: ANN401 -- a part
        return self._driver.drive(flow(self._flows, *args, **kwargs))  # type: ignore[no-any-return]  # a part's driver

    return method


def each(
    flow: Callable[Concatenate[F, P], Flow[Page[T]]],
) -> Callable[Concatenate[Any, P], Iterator[T]]:
    """Make a method that gives the items of all pages, asking for each page when it is needed."""

    @wraps(flow)
    def method(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:  # noqa: ANN401 -- a part
        following = flow(self._flows, *args, **kwargs)
        while True:
            page: Page[T] = self._driver.drive(following)
            yield from page.items
            if page.next_cursor is None:
                return
            following = page.following()

    return method
