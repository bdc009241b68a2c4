"""The way of a request through the gate, by ASGI alone."""

import gc
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from roost.web.endpoint import API, Call, Contract, Endpoint
from roost.web.principal import Principal, permissions_of
from roost.web.reply import Reply, item
from tests.support.app import application


class _Member:
    """Lets everybody in."""

    async def authenticate(self, *_: str | None) -> Principal:
        """Give a member."""
        allowed = permissions_of("member", frozenset("*"))
        ids = uuid4(), uuid4(), uuid4()
        return Principal(ids[0], ids[1], "member", frozenset("*"), "token", ids[2], allowed)


async def _show(call: Call) -> Reply:
    return item(f'"{call.principal.role}"')


async def _ask(app: Any) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": f"{API}/me",
        "query_string": b"",
        "scheme": "http",
        "headers": [(b"authorization", b"Bearer x")],
    }
    await app(scope, receive, send)
    return sent


@pytest.fixture
def garbage() -> Iterator[list[Any]]:
    """What only the garbage collector could free, once it is asked to look."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    yield gc.garbage
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()


async def test_a_request_leaves_nothing_to_the_garbage_collector(garbage: list[Any]) -> None:
    endpoint = Endpoint("GET", f"{API}/me", _show, Contract("Show me", "tasks:read"))
    app = application(_Member(), [endpoint])
    await _ask(app)
    gc.collect()
    garbage.clear()
    sent = await _ask(app)
    gc.collect()
    assert [type(each).__name__ for each in garbage if "roost" in type(each).__module__] == []
    assert (sent[0]["status"], sent[1]["body"]) == (200, b'{"data":"member"}')
