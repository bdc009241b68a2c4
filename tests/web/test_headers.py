"""The headers of every answer, at the outermost layer."""

from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from roost.web.headers import with_headers
from roost.web.reply import Reply
from tests.support.app import StillTicks


async def answer(reply: Reply, public_url: str | None = None) -> httpx.Response:
    app = with_headers(reply, StillTicks(), public_url)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://roost.test") as client:
        return await client.get("/")


async def test_every_answer_tells_browsers_to_be_careful() -> None:
    headers = (await answer(Reply(b"{}"))).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == "private, no-cache"


async def test_an_answers_own_header_stands_alone() -> None:
    own: Sequence[tuple[bytes, bytes]] = [(b"cache-control", b"no-store")]
    found: Any = (await answer(Reply(b"{}", headers=list(own)))).headers
    assert found.get_list("cache-control") == ["no-store"]


@pytest.mark.parametrize(
    ("address", "strict"),
    [(None, False), ("http://roost.example", False), ("https://roost.example", True)],
)
async def test_browsers_are_held_to_https_only_where_people_come_by_it(
    address: str | None,
    strict: bool,  # noqa: FBT001 -- a parameter of the table above
) -> None:
    headers = (await answer(Reply(b"{}"), address)).headers
    assert ("strict-transport-security" in headers) is strict
