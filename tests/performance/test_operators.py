"""Whose administrators may ask the doctor, where it is said."""

from collections.abc import AsyncIterator

import pytest

from roost.db.pool import Database
from roost.db.sealing import SecretBox
from roost.performance.doctor import Care, Doctor
from tests.support.house import House
from tests.support.schema import pool_config


@pytest.fixture
async def house(fresh_roost_database: str) -> AsyncIterator[House]:
    database = await Database.connect(pool_config(fresh_roost_database))
    house = House(database)
    house.people.add("operator")
    house.people.add("stranger")
    yield house
    await database.close()


def mount(house: House, *operators: str) -> Doctor:
    workspaces = frozenset(house.people.known[name].workspace_id for name in operators)
    secrets = SecretBox(["a key for tests, and for nothing else"])
    doctor = Doctor(house.database, secrets, care=Care(operators=workspaces))
    house.mount(doctor.endpoints(house.kit))
    return doctor


async def test_administrators_of_another_workspace_are_refused_everything(house: House) -> None:
    doctor = mount(house, "operator")
    for endpoint in doctor.endpoints(house.kit):
        path = endpoint.path.replace("{id:str}", "00000000-0000-4000-8000-000000000000")
        answer = await house.client("stranger").request(endpoint.method, path, json={})
        if "/events" in path and "/benchmarks" not in path:
            continue  # those of their own workspace
        assert answer.status_code in {400, 403}, (endpoint.method, path, answer.text)
        assert answer.status_code == 403 or endpoint.method in {"POST", "PATCH"}
    answer = await house.client("stranger").get("/api/v1/performance/health")
    assert answer.status_code == 403
    assert "ROOST_OPERATOR_WORKSPACES" in answer.json()["detail"]


async def test_administrators_of_the_workspaces_named_are_let_in(house: House) -> None:
    mount(house, "operator")
    assert (await house.client("operator").get("/api/v1/performance/health")).status_code == 200


async def test_where_none_is_named_every_administrator_is_one(house: House) -> None:
    mount(house)
    assert (await house.client("stranger").get("/api/v1/performance/health")).status_code == 200
