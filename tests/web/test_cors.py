"""Which pages of other origins may read what, and what they are told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest

from roost.settings import Settings, SettingsError
from roost.web import body
from roost.web.cors import Origins, with_cors
from roost.web.endpoint import API, Call, Contract, Endpoint
from roost.web.headers import with_headers
from roost.web.principal import Principal, permissions_of
from roost.web.reply import Reply, Streamed
from tests.support.app import BASE, StillTicks, application

PAGE = "http://localhost:3000"
MIGRATION = f"{API}/migration"
PREFLIGHT = {"access-control-request-method": "POST", "origin": PAGE}


class _Ann:
    """Lets those in who have a token."""

    async def authenticate(self, bearer: str | None, *_: str | None) -> Principal | None:
        """Give her, if there is a token."""
        if bearer is None:
            return None
        every = frozenset({"*"})
        allowed = permissions_of("owner", every)
        return Principal(uuid4(), uuid4(), "owner", every, "token", uuid4(), allowed)


async def _say(_call: Call) -> Reply:
    return Reply(b"{}")


async def _fail(_call: Call) -> Reply:
    message = "a fault of ours"
    raise RuntimeError(message)


async def _take(call: Call) -> Reply:
    return Reply(await body.read(call.request.scope, call.request.receive, 10))


async def _stream(_call: Call) -> Reply:
    async def parts() -> AsyncIterator[bytes]:
        for number in range(3):
            yield b"%d" % number

    return Streamed(parts())


@asynccontextmanager
async def _client(*named: str) -> AsyncIterator[httpx.AsyncClient]:
    read = Contract("For a test", "migration:read")
    write = Contract("For a test", "migration:write", described_body=dict)
    endpoints = [
        Endpoint("GET", MIGRATION, _say, read),
        Endpoint("POST", MIGRATION, _take, write),
        Endpoint("GET", f"{MIGRATION}/{{id:str}}", _fail, read),
        Endpoint("GET", f"{MIGRATION}/{{id:str}}/events", _stream, read),
        Endpoint("GET", f"{API}/users/me", _say, read),
        Endpoint("GET", f"{API}/users", _say, read),
        Endpoint("GET", f"{API}/tasks", _say, read),
    ]
    app: Any = application(_Ann(), endpoints)
    app = with_headers(with_cors(app, Origins(named)), StillTicks())
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        client.headers.update({"authorization": "Bearer x", "origin": PAGE})
        yield client


def _given(answer: httpx.Response) -> set[str]:
    return {name for name in answer.headers if name.startswith("access-control-")}


@pytest.mark.parametrize(
    "path",
    [
        MIGRATION,
        "/api/migration",
        f"{API}/migration/x/events",
        f"{API}/users/me",
        "/api/users/me",
        f"{API}/tasks",
    ],
)
async def test_a_page_on_this_machine_reads_the_answer(path: str) -> None:
    async with _client() as client:
        answer = await client.get(path)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == PAGE
    shown = answer.headers["access-control-expose-headers"].split(", ")
    assert {"ETag", "Location", "Roost-Request-Id", "Roost-Sha256", "Roost-Txid", "RateLimit"} <= {
        *shown
    }
    assert answer.headers.get_list("vary") == ["Authorization, Cookie, Roost-Workspace, Origin"]


async def test_no_answer_ever_takes_the_browsers_own_credentials() -> None:
    for named in ((), ("*",), (PAGE,)):
        async with _client(*named) as client:
            for answer in (
                await client.get(MIGRATION),
                await client.options(MIGRATION, headers=PREFLIGHT),
            ):
                assert "access-control-allow-origin" in answer.headers
                assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    "path", [f"{API}/tokens", f"{API}/users", "/api/v1/migrations", "/api/v1/tasksy", "/login"]
)
async def test_other_routes_stay_closed(path: str) -> None:
    async with _client("*") as client:
        for answer in (await client.get(path), await client.options(path, headers=PREFLIGHT)):
            assert not _given(answer)
            assert answer.headers["vary"].endswith(", Origin")


async def test_a_page_from_elsewhere_is_told_nothing_and_caches_know() -> None:
    async with _client() as client:
        elsewhere = {"origin": "https://elsewhere.test"}
        for answer in (
            await client.get(MIGRATION, headers=elsewhere),
            await client.options(MIGRATION, headers=PREFLIGHT | elsewhere),
        ):
            assert not _given(answer)
            assert answer.headers["vary"].endswith(", Origin")
        del client.headers["origin"]
        assert not _given(await client.get(MIGRATION))


async def test_a_preflight_is_answered_without_a_log_in() -> None:
    async with _client() as client:
        del client.headers["authorization"]
        asked = PREFLIGHT | {"access-control-request-private-network": "true"}
        answer = await client.options(f"{MIGRATION}/x/events", headers=asked)
        plain = await client.options(MIGRATION, headers=PREFLIGHT)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["access-control-max-age"] == "600"
    assert answer.headers["access-control-allow-private-network"] == "true"
    assert "access-control-allow-private-network" not in plain.headers
    assert answer.headers["access-control-allow-methods"] == "GET, POST, PUT, PATCH, DELETE"
    taken = answer.headers["access-control-allow-headers"].lower().split(", ")
    assert {"authorization", "content-type", "idempotency-key", "prefer", "last-event-id",
            "roost-workspace", "roost-after-tick", "if-none-match", "if-match",
            "mcp-method", "mcp-name", "mcp-protocol-version", "traceparent"
            } == {*taken}  # fmt: skip


async def test_options_that_are_no_preflight_list_the_methods() -> None:
    async with _client() as client:
        answer = await client.options(MIGRATION)
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"


async def test_a_page_reads_what_went_wrong() -> None:
    async with _client() as client:
        failed = await client.get(f"{MIGRATION}/x")
        large = await client.post(MIGRATION, content=b"x" * 100)
        missing = await client.get(f"{MIGRATION}/x/nowhere")
        wrong = await client.delete(MIGRATION)
        del client.headers["authorization"]
        unknown = await client.get(MIGRATION)
    found = [answer.status_code for answer in (failed, large, missing, wrong, unknown)]
    assert found == [500, 413, 404, 405, 401]
    for answer in (failed, large, missing, wrong, unknown):
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_stream_passes_part_by_part() -> None:
    app = with_cors(await _stream(Call(None)), Origins())  # type: ignore[arg-type]  # never looked at
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": f"{MIGRATION}/x/events", "headers": []}
    await app(scope, None, send)
    assert [message.get("body") for message in sent] == [None, b"0", b"1", b"2", b""]


@pytest.mark.parametrize(
    "origin",
    [PAGE, "https://localhost", "http://127.0.0.1:5173", "http://[::1]:8080", "http://127.1.2.3",
     "HTTP://LOCALHOST:80"],
)  # fmt: skip
def test_pages_of_this_machine_may_ask_by_default(origin: str) -> None:
    assert Origins().allow(origin)


@pytest.mark.parametrize(
    "origin",
    ["", "null", "file://", "http://localhost.evil.test", "http://127.0.0.1.evil.test",
     "http://evil.test:127", "http://localhost:3000/x", "http://localhost@evil.test",
     "http://localhost:1,http://evil.test", "chrome-extension://localhost", "http://[::2]",
     "http://10.0.0.1", "localhost:3000", "http://0.0.0.0"],
)  # fmt: skip
def test_no_other_may(origin: str) -> None:
    assert not Origins().allow(origin)


def _origins(value: str) -> Origins:
    return Origins(Settings.from_environment({"ROOST_CORS_ORIGINS": value}).cors_origins)


def test_named_origins_alone_may_ask_however_they_are_written() -> None:
    origins = _origins("https://App.example/, http://localhost:3000, https://other.example:443")
    for right in ("https://app.example", PAGE, "https://other.example"):
        assert origins.allow(right), right
    for wrong in ("http://app.example", "https://x.app.example", "http://localhost:3001", "null"):
        assert not origins.allow(wrong), wrong


async def test_a_star_lets_every_page_ask() -> None:
    assert _origins("*").allow("https://anywhere.test")
    async with _client("*") as client:
        answer = await client.get(MIGRATION, headers={"origin": "null"})
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    "value",
    ["*, https://a.example", "https://*.example", "a.example", "null", "https://a.example/x",
     "https://a:hidden@b.example"],
)  # fmt: skip
def test_what_is_no_origin_is_refused_by_the_settings_name(value: str) -> None:
    with pytest.raises(SettingsError, match="ROOST_CORS_ORIGINS") as refused:
        _origins(value)
    assert "hidden" not in str(refused.value)
