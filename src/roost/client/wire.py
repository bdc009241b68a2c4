"""Requests and answers without a socket: what to send, when to send it again, how to read it.

A *flow* is a generator that yields what is to be done, a `Send` or a `Pause`, and is given what
came of it. The two clients differ in nothing but how they do that.
"""

import random
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Generic, TypeVar

import httpx
import msgspec

from roost.client.model import Id
from roost.client.problems import RoostError, problem_of, unreachable
from roost.client.request import Request

T = TypeVar("T")
chance = random.random
_TOO_MANY: Final = 429
_TRY_AGAIN: Final = frozenset({502, 503, 504})
_UNSENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_MISTAKES: Final = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)


@dataclass(frozen=True, slots=True)
class Send:
    """Send this; the flow is given the response, or has an `httpx.RequestError` thrown into it.

    `timeout` is in seconds, None the client's own.
    """

    request: Request
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for so many seconds."""

    seconds: float


Flow = Generator[Send | Pause, Any, T]


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a request is tried, and how long to wait in between, in seconds."""

    attempts: int = 5
    first: float = 0.25
    most: float = 8.0
    patience: float = 60.0
    """The longest `Retry-After` that is waited for."""
    jitter: Callable[[], float] = chance

    def delay(self, failures: int, asked: float | None = None) -> float:
        """Give the wait after so many failures: twice as long each time, by chance up to half less.

        Never shorter than what the server has asked for.
        """
        longest = min(self.most, self.first * 2.0 ** min(failures - 1, 16))
        return max(longest * (0.5 + self.jitter() / 2), asked or 0.0)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A page of a list; `total` is a lower bound unless `total_is_exact`, or None: not counted.

    `following` asks for the next one, where there is a `next_cursor`.
    """

    items: list[T]
    total: int | None
    total_is_exact: bool
    next_cursor: str | None
    following: Callable[[], Flow["Page[T]"]] = field(repr=False, compare=False)


class _Pagination(msgspec.Struct, rename="camel"):
    total: int | None
    total_is_exact: bool
    next_cursor: str | None


class _Item(msgspec.Struct):
    data: msgspec.Raw


class _Items(_Item):
    pagination: _Pagination


@dataclass(frozen=True, slots=True)
class Wire:
    """Sends requests until there is an answer that counts. `headers` go with every one."""

    retry: Retry = field(default_factory=Retry)
    clock: Callable[[], float] = time.monotonic
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None

    def within(self, workspace_id: Id) -> "Wire":
        """Give the same in a workspace."""
        return replace(self, headers={**self.headers, "roost-workspace": str(workspace_id)})

    def briefly(self, seconds: float) -> "Wire":
        """Give the same with one attempt, of so many seconds at most."""
        return replace(self, retry=replace(self.retry, attempts=1), timeout=seconds)

    def exchange(self, request: Request) -> Flow[httpx.Response]:
        """Send, and again while that may help and does no harm; raises RoostError."""
        request = replace(request, headers={**self.headers, **request.headers})
        repeated = False
        for number in range(1, self.retry.attempts + 1):
            try:
                response: httpx.Response = yield Send(request, self.timeout)
            except httpx.RequestError as error:
                problem: RoostError = unreachable(error)
                problem.__cause__ = error
                is_undone = isinstance(error, _UNSENT)
                may_help = not isinstance(error, _MISTAKES)
            else:
                if response.is_success:
                    return response
                problem = problem_of(response)
                is_undone = response.status_code == _TOO_MANY
                may_help = response.status_code in _TRY_AGAIN
            problem.repeated = repeated
            repeated |= not is_undone
            wait = self.retry.delay(number, problem.retry_after)
            again = is_undone or (may_help and request.repeatable)
            if not again or number == self.retry.attempts or wait > self.retry.patience:
                raise problem
            yield Pause(wait)
        raise AssertionError  # there is one attempt at least

    def one(self, request: Request, kind: type[T]) -> Flow[T]:
        """Send, and read one item."""
        return _item((yield from self.exchange(request)), kind)

    def maybe(self, request: Request, kind: type[T]) -> Flow[T | None]:
        """Send, and read one item; None when the answer is empty."""
        response = yield from self.exchange(request)
        return _item(response, kind) if response.content else None

    def page(self, request: Request, kind: type[T]) -> Flow[Page[T]]:
        """Send, and read a page of items."""
        response = yield from self.exchange(request)
        found = _read(response.content, _Items)
        cursor = found.pagination.next_cursor
        query = {**{k: v for k, v in request.query.items() if k != "page"}, "cursor": cursor}
        return Page(
            [_read(each, kind) for each in _read(found.data, list[msgspec.Raw])],
            found.pagination.total,
            found.pagination.total_is_exact,
            cursor,
            lambda: self.page(replace(request, query=query), kind),
        )


def _item(response: httpx.Response, kind: type[T]) -> T:
    return _read(_read(response.content, _Item).data, kind)


def _read(content: bytes | msgspec.Raw, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.MsgspecError as error:
        message = f"the answer is not what was expected: {error}"
        raise RoostError(message, code="UNREADABLE_ANSWER") from error
