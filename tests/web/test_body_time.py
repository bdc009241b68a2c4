"""A body has so long to arrive, and no longer, however steadily it trickles."""

import asyncio
from typing import Any

import httpx
import pytest

from roost.web import body
from roost.web.endpoint import Call, Contract, Endpoint
from roost.web.principal import Principal
from roost.web.reply import Reply, item
from roost.web.structs import Incoming
from tests.support.app import BASE, application


class Named(Incoming):
    """A body."""

    name: str


class Nobody:
    """Lets nobody in; nobody has to be."""

    async def authenticate(self, *_: str | None) -> Principal | None:
        """Say that there is nobody."""
        return None


async def _answer(_call: Call) -> Reply:
    return item("{}")


ENDPOINTS = [
    Endpoint("POST", "/read", _answer, Contract("Reads a body", None, body=Named)),
    Endpoint("POST", "/refuse", _answer, Contract("Takes no body", None)),
]


@pytest.mark.parametrize("path", ["/read", "/refuse"])
async def test_a_body_that_trickles_is_cut_off(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(body, "SECONDS", 0.2)
    app: Any = application(Nobody(), ENDPOINTS)
    sent: list[dict[str, Any]] = []
    pieces = 0

    async def receive() -> dict[str, Any]:
        nonlocal pieces
        pieces += 1
        await asyncio.sleep(0.01)  # each piece comes soon, and the last one never
        return {"type": "http.request", "body": b" ", "more_body": True}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"transfer-encoding", b"chunked"), (b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
        "server": ("roost.test", 80),
        "state": {},
    }
    async with asyncio.timeout(10):
        await app(scope, receive, send)
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]
    assert b"REQUEST_TIMEOUT" in sent[1]["body"]
    assert pieces > 1


async def test_a_body_that_comes_in_time_is_read() -> None:
    app: Any = application(Nobody(), ENDPOINTS)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        assert (await client.post("/read", json={"name": "x"})).status_code == 200
        assert (await client.post("/refuse")).status_code == 200
