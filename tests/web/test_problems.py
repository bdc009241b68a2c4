"""What nobody expected is told to the log, and not to the one who asked."""

import logging
from typing import Any

import httpx
import pytest

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
