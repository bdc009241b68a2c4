"""One environment of a user is active in a workspace, or none."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roost.web.principal import Principal
from tests.environments.calls import ALL, create, listed, read
from tests.environments.conftest import newcomer
from tests.support.house import House


async def _active(client: httpx.AsyncClient) -> list[str]:
    return [found["id"] for found in await listed(client, isActive="true", userId="me")]


async def test_activation_moves_from_one_to_the_other(alice: httpx.AsyncClient) -> None:
    first, second = await create(alice, "first"), await create(alice, "second")
    assert (await alice.get(f"{ALL}/active")).json()["code"] == "ENVIRONMENT_NOT_FOUND"
    for made in (first, second):
        answer = await alice.post(f"{ALL}/{made['id']}/activate")
        assert (answer.status_code, answer.json()["data"]["isActive"]) == (200, True)
        assert (await alice.get(f"{ALL}/active")).json()["data"] == answer.json()["data"]
        assert await _active(alice) == [made["id"]]
    left = await read(alice, first["id"])
    assert (left["isActive"], left["version"]) == (False, 3)
    answer = await alice.post(f"{ALL}/{second['id']}/deactivate")
    assert (answer.status_code, answer.json()["data"]["isActive"]) == (200, False)
    gone = await alice.get(f"{ALL}/active")
    assert (gone.status_code, gone.json()["code"]) == (404, "ENVIRONMENT_NOT_FOUND")


@pytest.mark.parametrize("verb", ["activate", "deactivate"])
async def test_what_is_so_already_stays_as_it_is(alice: httpx.AsyncClient, verb: str) -> None:
    made = await create(alice)
    before = (await alice.post(f"{ALL}/{made['id']}/{verb}")).json()["data"]
    again = await alice.post(f"{ALL}/{made['id']}/{verb}")
    assert (again.status_code, again.json()["data"]) == (200, before)


async def test_activating_what_is_not_there_leaves_the_active_one(
    house: House, alice: httpx.AsyncClient
) -> None:
    made = await create(alice)
    await alice.post(f"{ALL}/{made['id']}/activate")
    before = await read(alice, made["id"])
    stranger, _ = newcomer(house)
    foreign = await create(stranger)
    for other in (uuid4(), foreign["id"]):
        answer = await alice.post(f"{ALL}/{other}/activate")
        assert (answer.status_code, answer.json()["code"]) == (404, "ENVIRONMENT_NOT_FOUND")
    stale = {"if-match": '"v9"'}
    spare = await create(alice)
    answer = await alice.post(f"{ALL}/{spare['id']}/activate", headers=stale)
    assert answer.status_code == 412
    assert await read(alice, made["id"]) == before


async def test_each_user_has_an_active_one_of_their_own(
    house: House, alice: httpx.AsyncClient, owner: Principal
) -> None:
    bob, _ = newcomer(house, role="member", workspace_id=owner.workspace_id)
    hers, his = await create(alice), await create(bob)
    await alice.post(f"{ALL}/{hers['id']}/activate")
    await bob.post(f"{ALL}/{his['id']}/activate")
    assert await _active(alice) == [hers["id"]]
    assert await _active(bob) == [his["id"]]
    assert (await bob.get(f"{ALL}/active")).json()["data"]["id"] == his["id"]


async def test_only_its_user_or_an_administrator_says_which_one_is_active(
    house: House, alice: httpx.AsyncClient, owner: Principal
) -> None:
    bob, _ = newcomer(house, role="member", workspace_id=owner.workspace_id)
    carol, _ = newcomer(house, role="member", workspace_id=owner.workspace_id)
    his = await create(bob)
    for verb in ("activate", "deactivate"):
        answer = await carol.post(f"{ALL}/{his['id']}/{verb}")
        assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
    assert await read(bob, his["id"]) == his
    assert (await alice.post(f"{ALL}/{his['id']}/activate")).status_code == 200
    assert await _active(bob) == [his["id"]]
    assert await _active(alice) == []


async def test_concurrent_activations_all_succeed_and_one_is_left(
    alice: httpx.AsyncClient,
) -> None:
    made = [await create(alice, f"number {number}") for number in range(6)]
    for _ in range(4):
        answers = await asyncio.gather(
            *(alice.post(f"{ALL}/{one['id']}/activate") for one in made),
            *(alice.post(f"{ALL}/{one['id']}/deactivate") for one in made[:2]),
            *(alice.patch(f"{ALL}/{one['id']}", json={"description": "d"}) for one in made),
        )
        assert {answer.status_code for answer in answers} == {200}
        assert len(await _active(alice)) <= 1
        answers = await asyncio.gather(*(alice.post(f"{ALL}/{one['id']}/activate") for one in made))
        assert all(answer.json()["data"]["isActive"] for answer in answers)
        assert len(await _active(alice)) == 1


async def test_an_environment_deleted_meanwhile_is_a_404_and_nothing_else(
    alice: httpx.AsyncClient,
) -> None:
    for _ in range(5):
        kept, doomed = await create(alice, "kept"), await create(alice, "doomed")
        await alice.post(f"{ALL}/{kept['id']}/activate")
        activated, deleted = await asyncio.gather(
            alice.post(f"{ALL}/{doomed['id']}/activate"), alice.delete(f"{ALL}/{doomed['id']}")
        )
        assert deleted.status_code == 204
        assert activated.status_code in {200, 404}
        expected = [kept["id"]] if activated.status_code == 404 else []
        assert await _active(alice) == expected


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["create", "activate", "deactivate", "delete", "put", "patch"]),
        st.integers(0, 3),
        st.integers(0, 1),
    ),
    max_size=14,
)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
async def test_any_story_ends_with_what_was_last_said(
    house: House, steps: list[tuple[str, int, int]]
) -> None:
    first, first_is = newcomer(house, role="member")
    second, _ = newcomer(house, role="member", workspace_id=first_is.workspace_id)
    people = (first, second)
    there: tuple[list[str], list[str]] = ([], [])
    active: list[str | None] = [None, None]
    for verb, number, who in steps:
        client, mine = people[who], there[who]
        if verb == "create":
            mine.append((await create(client))["id"])
        elif number < len(mine):
            await _do(client, verb, mine[number])
            if verb == "activate":
                active[who] = mine[number]
            elif verb in {"deactivate", "delete"} and active[who] == mine[number]:
                active[who] = None
            if verb == "delete":
                mine.pop(number)
        for client, expected in zip(people, active, strict=True):
            assert await _active(client) == ([expected] if expected else [])


async def _do(client: httpx.AsyncClient, verb: str, environment_id: str) -> None:
    calls: dict[str, tuple[str, str, Any]] = {
        "activate": ("POST", "/activate", None),
        "deactivate": ("POST", "/deactivate", None),
        "delete": ("DELETE", "", None),
        "put": ("PUT", "", {"name": "put"}),
        "patch": ("PATCH", "", {"name": "patched"}),
    }
    method, suffix, body = calls[verb]
    answer = await client.request(method, f"{ALL}/{environment_id}{suffix}", json=body)
    assert answer.is_success, answer.text
