"""Workspaces are kept apart, and roles and scopes hold."""

from typing import Any

import httpx
import pytest

from roost.web.principal import Principal
from tests.environments.calls import ALL, create, listed, read
from tests.environments.conftest import newcomer
from tests.support.house import House

CALLS: list[tuple[str, str, Any]] = [
    ("GET", "", None),
    ("PATCH", "", {"name": "taken"}),
    ("PATCH", "", {"config": {"taken": True}}),
    ("PUT", "", {"name": "taken"}),
    ("DELETE", "", None),
    ("POST", "/activate", None),
    ("POST", "/deactivate", None),
    ("PUT", "/secrets/A", {"value": "taken"}),
    ("DELETE", "/secrets/A", None),
]


@pytest.mark.parametrize(("method", "suffix", "body"), CALLS)
async def test_anothers_environment_is_not_there(
    house: House, alice: httpx.AsyncClient, method: str, suffix: str, body: Any
) -> None:
    made = await create(alice)
    await alice.put(f"{ALL}/{made['id']}/secrets/A", json={"value": "v"})
    await alice.post(f"{ALL}/{made['id']}/activate")
    before = await read(alice, made["id"])
    mallory, _ = newcomer(house)
    answer = await mallory.request(method, f"{ALL}/{made['id']}{suffix}", json=body)
    unknown = await mallory.request(
        method, f"{ALL}/00000000-0000-7000-8000-000000000000{suffix}", json=body
    )
    assert (answer.status_code, answer.json()) == (404, unknown.json())
    assert await read(alice, made["id"]) == before


async def test_lists_and_counts_hold_no_others(
    house: House, alice: httpx.AsyncClient, owner: Principal
) -> None:
    made = await create(alice, "mine")
    await alice.post(f"{ALL}/{made['id']}/activate")
    mallory, _ = newcomer(house)
    for query in ({}, {"search": "mine"}, {"userId": str(owner.user_id)}, {"isActive": "true"}):
        page = (await mallory.get(ALL, params=query)).json()
        assert (page["data"], page["pagination"]["total"]) == ([], 0)
    assert (await mallory.get(f"{ALL}/active")).status_code == 404


async def test_a_forged_cursor_reaches_no_other_workspace(
    house: House, alice: httpx.AsyncClient
) -> None:
    for _ in range(3):
        await create(alice)
    cursor = (await alice.get(ALL, params={"limit": 1})).json()["pagination"]["nextCursor"]
    mallory, _ = newcomer(house)
    assert await listed(mallory, limit=1, cursor=cursor) == []


@pytest.mark.parametrize(("method", "suffix", "body"), CALLS)
async def test_nobody_gets_in_without_a_log_in(
    house: House, method: str, suffix: str, body: Any
) -> None:
    answer = await house.client().request(method, f"{ALL}/no-uuid{suffix}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHORIZED")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("rights", [{"role": "viewer"}, {"scopes": ["environments:read"]}])
async def test_who_may_only_read_changes_nothing(
    house: House, alice: httpx.AsyncClient, owner: Principal, rights: dict[str, Any]
) -> None:
    made = await create(alice)
    reader, _ = newcomer(house, workspace_id=owner.workspace_id, **rights)
    assert await listed(reader) == [made]
    for method, suffix, body in CALLS[1:]:
        answer = await reader.request(method, f"{ALL}/{made['id']}{suffix}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
    assert (await reader.post(ALL, json={"name": "x"})).status_code == 403
    assert await listed(alice) == [made]


async def test_a_token_for_other_things_can_not_read(house: House) -> None:
    other, _ = newcomer(house, scopes=["tasks:*"])
    assert (await other.get(ALL)).status_code == 403
