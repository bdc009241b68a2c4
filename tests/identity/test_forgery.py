"""What another site can make a browser send, with the session's cookie on it, changes nothing."""

import httpx
import pytest

from tests.identity.conftest import Somebody, World
from tests.support.app import BASE

WORKSPACES = "/api/v1/workspaces"
# What a browser sends without asking first (a simple request of the Fetch standard), and JSON,
# which it does not; a body of no type is what a Blob without one becomes.
BY_A_FORM = [
    "text/plain",
    "TEXT/PLAIN; charset=utf-8",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain; application/json",
]
ELSEWHERE = ["https://elsewhere.test", "null", f"{BASE}.elsewhere.test", f"{BASE}:8080", None]


async def _send(
    client: httpx.AsyncClient, cookie: str, media_type: str | None, origin: str | None
) -> httpx.Response:
    headers = {"cookie": f"roost_session={cookie}"}
    if media_type is not None:
        headers["content-type"] = media_type
    if origin is not None:
        headers["origin"] = origin
    return await client.post(WORKSPACES, content=b'{"name":"forged"}', headers=headers)


async def _count(world: World) -> int:
    return int(await world.owner.fetchval("select count(*) from workspaces"))


async def test_no_body_of_another_site_is_read_whatever_its_type(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    cookie, before = await world.log_in(identity_app, ann), await _count(world)
    for origin in ELSEWHERE:
        for media_type in (*BY_A_FORM, "application/json", None):
            answer = await _send(identity_app, cookie, media_type, origin)
            assert (answer.status_code, answer.json()["code"]) == (403, "ORIGIN_REFUSED")
    assert await _count(world) == before


@pytest.mark.parametrize("media_type", BY_A_FORM)
async def test_json_that_says_it_is_a_forms_is_refused_even_from_roost_itself(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, media_type: str
) -> None:
    cookie, before = await world.log_in(identity_app, ann), await _count(world)
    answer = await _send(identity_app, cookie, media_type, BASE)
    assert (answer.status_code, answer.json()["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert await _count(world) == before
    assert (await _send(identity_app, cookie, "application/json", BASE)).status_code == 201
