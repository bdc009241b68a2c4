"""The audit trail has what administrators have the doctor do."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from roost.db.pool import Database
from roost.db.roles import DOCTOR_ROLE, OWNER_ROLE
from roost.db.sealing import SecretBox
from roost.identity.audit.routes import AuditRoutes
from roost.performance.alerts.addresses import Policy
from roost.performance.alerts.routes import AlertRoutes
from roost.performance.alerts.sending import Sender
from roost.performance.applying import Applier
from roost.performance.change_routes import ChangeRoutes
from roost.performance.routes import PerformanceRoutes
from tests.performance.conftest import Ask, Connect
from tests.performance.test_changes import begin, lacking
from tests.support.house import House
from tests.support.schema import as_role, pool_config

API = "/api/v1/performance"
RULE = {"name": "Slow", "metric": "slowQueries", "comparison": "above", "threshold": 2}
CHANNEL = {"name": "Pager", "kind": "webhook", "url": "http://127.0.0.1:9/?key=hunter2"}


@pytest.fixture(params=[DOCTOR_ROLE, None], ids=["its own role", "the pool's role"])
async def house(
    fresh_roost_database: str, connect: Connect, request: pytest.FixtureRequest
) -> AsyncIterator[House]:
    """A server whose doctor asks with a role of its own, or with the pool."""
    config = pool_config(fresh_roost_database)
    pool = await Database.connect(config)
    doctor = pool
    if request.param is not None:
        doctor = await Database.connect(
            replace(config, url=as_role(fresh_roost_database, request.param), max_connections=2)
        )
    else:
        admin = await connect()
        await admin.execute(
            "grant usage on schema performance to roost_app;"
            "grant all on all tables in schema performance to roost_app"
        )
    house = House(pool)
    house.people.add("alice")
    house.people.add("bob")
    sender = Sender(SecretBox(["a key for tests, and for nothing else"]), Policy.of(("127.0.0.1",)))
    applier = Applier(doctor, replace(config, url=as_role(fresh_roost_database, OWNER_ROLE)))
    house.mount(
        [
            *PerformanceRoutes(house.kit, doctor).endpoints(),
            *AlertRoutes(house.kit, sender, doctor).endpoints(),
            *ChangeRoutes(house.kit, doctor, applier, 7).endpoints(),
            *AuditRoutes(house.kit).endpoints(),
        ]
    )
    yield house
    await applier.close()
    if doctor is not pool:
        await doctor.close()
    await pool.close()


async def do(
    house: House, method: str, path: str, body: Any = None, **headers: str
) -> httpx.Response:
    client = house.client("alice")
    return await client.request(method, f"{API}{path}", json=body, headers=headers)


async def trail(house: House, of: str = "alice") -> list[Any]:
    """Give what the workspace of somebody is told, oldest first."""
    workspace = house.people.known[of].workspace_id
    answer = await house.client(of).get(f"/api/v1/workspaces/{workspace}/audit?limit=100")
    assert answer.status_code == 200, answer.text
    return list(reversed(answer.json()["data"]))


def told(event: Any) -> tuple[Any, ...]:
    return event["action"], event["target"]["id"], event["details"]


async def test_each_change_of_rules_and_channels_is_told_with_who_and_what(house: House) -> None:
    rule = (await do(house, "POST", "/alerts/rules", RULE)).json()["data"]["id"]
    await do(house, "PATCH", f"/alerts/rules/{rule}", {"forSeconds": 5, "isEnabled": False})
    await do(house, "DELETE", f"/alerts/rules/{rule}")
    channel = (await do(house, "POST", "/alerts/channels", CHANNEL)).json()["data"]["id"]
    moved = {"url": "http://127.0.0.1:9/?key=hunter3"}
    await do(house, "PATCH", f"/alerts/channels/{channel}", moved)
    await do(house, "DELETE", f"/alerts/channels/{channel}")
    events = await trail(house)
    named = {"name": "Pager", "kind": "webhook"}
    assert [told(each) for each in events] == [
        ("alert_rule.created", rule, {"name": "Slow"}),
        ("alert_rule.updated", rule, {"name": "Slow", "fields": ["forSeconds", "isEnabled"]}),
        ("alert_rule.deleted", rule, {"name": "Slow"}),
        ("alert_channel.created", channel, named),
        ("alert_channel.updated", channel, {**named, "fields": ["url"]}),
        ("alert_channel.deleted", channel, named),
    ]
    alice = house.people.known["alice"]
    for event in events:
        assert (event["actorId"], event["outcome"]) == (str(alice.user_id), "success")
        assert event["credentialId"] == str(alice.credential_id)
    assert "hunter" not in str(events)
    assert await trail(house, "bob") == []


async def test_what_was_refused_leaves_nothing_and_what_is_repeated_one(house: House) -> None:
    built_in = "00000000-0000-4000-8000-000000000001"
    assert (await do(house, "DELETE", f"/alerts/rules/{built_in}")).status_code == 409
    missing = "/alerts/channels/00000000-0000-4000-8000-000000000099"
    assert (await do(house, "DELETE", missing)).status_code == 404
    refused = CHANNEL | {"url": "http://10.0.0.1/"}
    assert (await do(house, "POST", "/alerts/channels", refused)).status_code == 422
    assert await trail(house) == []
    for _ in range(2):
        answer = await do(house, "POST", "/alerts/rules", RULE, **{"Idempotency-Key": "once"})
        assert answer.status_code == 201
    assert [each["action"] for each in await trail(house)] == ["alert_rule.created"]


async def test_a_change_of_an_index_is_told_when_it_begins_and_when_it_is_cancelled(
    house: House, ask: Ask, connect: Connect
) -> None:
    _, sql = await lacking(ask, connect)
    writer = await connect()
    await writer.execute("begin; update children set parent = 1 where id = 1")
    change = (await begin(house, sql)).json()["data"]["id"]
    assert (await begin(house, sql)).status_code == 409
    (begun,) = await trail(house)
    assert told(begun) == ("index_change.begun", change, {"table": "children", "sql": sql})
    for _ in range(100):
        await do(house, "POST", f"/indexes/changes/{change}/cancel")
        if len(events := await trail(house)) > 1:
            break
    assert told(events[1]) == ("index_change.cancelled", change, {})
    await writer.execute("rollback")


async def test_a_deed_that_cannot_be_told_is_not_done(house: House, connect: Connect) -> None:
    admin = await connect()
    await admin.execute("alter table audit_events rename to hidden")
    before = await admin.fetchval("select count(*) from performance.alert_rule")
    assert (await do(house, "POST", "/alerts/rules", RULE)).is_server_error
    assert await admin.fetchval("select count(*) from performance.alert_rule") == before
