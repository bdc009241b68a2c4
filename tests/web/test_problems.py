"""What nobody expected is told to the log, and not to the one who asked."""

import logging
from typing import Any

import httpx
import pytest

from roost import errors
from roost.errors import ProblemError
from roost.telemetry import Telemetry
from roost.web.endpoint import Call, Contract, Endpoint
from roost.web.principal import Principal
from roost.web.reply import Reply
from tests.support.app import BASE, application


class Nobody:
    """Lets nobody in."""

    async def authenticate(self, *_: str | None) -> Principal | None:
        """Say that there is nobody."""
        return None


async def _fail(_call: Call) -> Reply:
    message = "select secret from vault at /var/lib/roost"
    raise RuntimeError(message)


async def test_an_unexpected_error_tells_nothing_of_the_inside(
    caplog: pytest.LogCaptureFixture,
) -> None:
    endpoint = Endpoint("GET", "/broken", _fail, Contract("Fails", None))
    app: Any = application(Nobody(), [endpoint])
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        with caplog.at_level(logging.ERROR, "roost.web"):
            answer = await client.get("/broken")
    assert answer.status_code == 500
    problem = answer.json()
    assert problem["code"] == "INTERNAL_ERROR"
    assert set(problem) <= {"type", "title", "status", "detail", "code", "errors", "requestId",
                            "hint"}  # fmt: skip
    for word in ("secret", "vault", "/var/lib", "RuntimeError", "Traceback", ".py"):
        assert word not in answer.text
    [line] = [one for one in caplog.records if one.name == "roost.web"]
    assert line.exc_info is not None


async def _refuse(_call: Call) -> Reply:
    raise ProblemError(errors.TASK_NOT_FOUND, "no <b>task</b> & none")


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("TEXT/HTML; q=0.5", "text/html"),
        ("*/*", "application/problem+json"),
        ("application/json", "application/problem+json"),
        ("text/htmlx", "application/problem+json"),
        ("", "application/problem+json"),
    ],
)
async def test_a_browser_is_answered_with_a_page_and_a_program_with_a_document(
    accept: str, kind: str
) -> None:
    endpoint = Endpoint("GET", "/missing", _refuse, Contract("Is not there", None))
    app: Any = application(Nobody(), [endpoint])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        answer = await client.get("/missing", headers={"accept": accept})
    assert answer.status_code == 404
    assert answer.headers["content-type"].partition(";")[0] == kind
    if kind == "text/html":
        assert "no &lt;b&gt;task&lt;/b&gt; &amp; none" in answer.text
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    else:
        assert answer.json()["code"] == "TASK_NOT_FOUND"


async def test_a_problem_names_the_trace_that_its_caller_began() -> None:
    telemetry = Telemetry.from_environment({}, service_version="1")
    app: Any = application(Nobody(), [])
    transport = httpx.ASGITransport(telemetry.middleware(app))
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        parent = f"00-{'ab' * 16}-{'cd' * 8}-01"
        answer = await client.get("/api/v1/nowhere", headers={"traceparent": parent})
        alone = await client.get("/api/v1/nowhere")
    telemetry.shutdown()
    assert answer.json()["traceId"] == "ab" * 16
    assert len(alone.json()["traceId"]) == 32
