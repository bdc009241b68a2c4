"""The audit trail as it is read: by whom, in which order, by which filters."""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from roost.db.pool import Transaction
from roost.db.tenancy import Context
from roost.identity.audit.trail import ACTIONS, Trail
from tests.identity.conftest import Somebody, World
from tests.identity.test_audit import API, Event, events, path
from tests.identity.test_audit import rooms as rooms  # noqa: PLC0414 -- a fixture


async def test_only_admins_read_it_and_nobody_of_elsewhere(
    rooms: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    for role, status in (("admin", 200), ("member", 403), ("viewer", 403)):
        somebody = await world.member(ann, f"{role}@example.test", role, ["*"])
        answer = await rooms.get(path(ann), headers=somebody.headers)
        assert answer.status_code == status, role
    foreign = await rooms.get(path(ann), headers=bob.headers)
    assert (foreign.status_code, foreign.json()["code"]) == (404, "WORKSPACE_NOT_FOUND")
    unknown = await rooms.get(f"{API}/workspaces/{uuid4()}/audit", headers=bob.headers)
    assert unknown.json()["detail"] == foreign.json()["detail"]
    assert (await rooms.get(path(ann))).status_code == 401


async def test_a_workspaces_list_has_its_own_events_alone(
    rooms: httpx.AsyncClient, ann: Somebody, bob: Somebody
) -> None:
    for somebody in (ann, bob):
        await rooms.post(f"{API}/tokens", json={"name": somebody.email}, headers=somebody.headers)
    for somebody, other in ((ann, bob), (bob, ann)):
        found = await events(rooms, somebody)
        # The operator, who made them, is nobody.
        assert {event["actorId"] for event in found} == {str(somebody.id), None}
        assert other.email not in json.dumps(found)
        filtered = await events(rooms, somebody, actor=str(other.id))
        assert filtered == []
    elsewhere = {**ann.headers, "roost-workspace": str(bob.workspace_id)}
    answer = await rooms.get(path(ann), headers=elsewhere)
    assert {event["actorId"] for event in answer.json()["data"]} == {str(ann.id), None}


async def _record(world: World, ann: Somebody, count: int) -> None:
    async def work(transaction: Transaction) -> None:
        for number in range(count):
            trail = Trail(ann.workspace_id, ann.id if number % 2 else uuid4())
            action = list(ACTIONS)[number % 3]
            outcome: Any = "failure" if number % 4 == 0 else "success"
            await trail.record(
                transaction, action, ("thing", number), outcome=outcome, number=number
            )

    await world.database.write(Context(ann.workspace_id, ann.id), work)


async def test_the_newest_come_first_and_pages_give_each_once(
    rooms: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    # One transaction: all of one moment, so that only the id tells them apart.
    await _record(world, ann, 25)
    for start in ({}, {"action": "login.succeeded"}):
        found: list[Event] = []
        query: dict[str, Any] = {"limit": 4, **start}
        while True:
            page = (await rooms.get(path(ann), params=query, headers=ann.headers)).json()
            found += page["data"]
            if page["pagination"]["nextCursor"] is None:
                break
            query["cursor"] = page["pagination"]["nextCursor"]
        assert len({event["id"] for event in found}) == len(found) == page["pagination"]["total"]
        assert found == sorted(found, key=lambda one: (one["at"], one["id"]), reverse=True)


async def test_events_are_found_by_each_filter(
    rooms: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    await _record(world, ann, 12)
    every = await events(rooms, ann, limit=100)
    some = list(ACTIONS)[:2]
    for query, fits in (
        ({"action": some[0]}, lambda one: one["action"] == some[0]),
        ({"action": ",".join(some)}, lambda one: one["action"] in some),
        ({"action": some}, lambda one: one["action"] in some),
        ({"actor": str(ann.id)}, lambda one: one["actorId"] == str(ann.id)),
        ({"targetType": "thing"}, lambda one: one["target"]["type"] == "thing"),
        ({"target_id": "3"}, lambda one: one["target"]["id"] == "3"),
        ({"outcome": "failure"}, lambda one: one["outcome"] == "failure"),
    ):
        found = await events(rooms, ann, limit=100, **query)
        assert found == [one for one in every if fits(one)], query
        assert 0 < len(found) < len(every), query
    strangers = [one for one in every if one["actorId"] != str(ann.id)]
    assert {one["actor"] for one in strangers} == {None}
    newest = datetime.fromisoformat(every[0]["at"])
    middle = (newest - timedelta(microseconds=1)).isoformat()
    later = await events(rooms, ann, limit=100, after=middle)
    earlier = await events(rooms, ann, limit=100, before=every[0]["at"])
    assert later + earlier == every
    assert len(later) == 12


@pytest.mark.parametrize(
    "query",
    ["action=tasks.flown", "actor=ann", "outcome=perhaps", "after=yesterday", "before=5", "sort=at",
     "cursor=AAAA", "after=2026-01-01T00:00:00", "limit=0", "who=me"],
)  # fmt: skip
async def test_a_bad_filter_is_named(rooms: httpx.AsyncClient, ann: Somebody, query: str) -> None:
    answer = await rooms.get(f"{path(ann)}?{query}", headers=ann.headers)
    assert answer.status_code == 400, answer.text
    [error] = answer.json()["errors"]
    assert error["field"].startswith(query.partition("=")[0])
    if query.startswith("action"):
        assert all(action in error["message"] for action in ACTIONS)


async def test_an_action_that_is_not_in_the_catalogue_is_refused(
    world: World, ann: Somebody
) -> None:
    async def work(transaction: Transaction) -> None:
        await Trail(ann.workspace_id, ann.id).record(transaction, "cake.eaten")

    with pytest.raises(ValueError, match=r"cake\.eaten"):
        await world.database.write(Context(ann.workspace_id, ann.id), work)
