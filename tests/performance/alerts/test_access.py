"""Who may, and what is said of what can't be read."""

from typing import Any
from uuid import uuid4

import pytest

from roost.performance.alerts.routes import AlertRoutes
from tests.db.rows import names, plant, row_of
from tests.performance.alerts.conftest import API, Stage
from tests.performance.alerts.receivers import Webhooks

RULE = {"name": "x", "metric": "deadlocks", "comparison": "above", "threshold": 1}


async def test_administrators_alone_read_and_change(stage: Stage) -> None:
    routes = AlertRoutes(stage.house.kit, stage.sender).endpoints()
    assert len(routes) == 17
    for endpoint in routes:
        path = endpoint.path.replace("{id:str}", str(uuid4()))
        reads = endpoint.method == "GET"
        for bearer in ("mia", "vera", "reader", None):
            answer = await stage.house.client(bearer).request(endpoint.method, path)
            status = 401 if bearer is None else 403
            if bearer == "reader" and reads:
                status = 404 if "{id" in endpoint.path else 200
            assert answer.status_code == status, (endpoint.method, path, bearer)


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/rules/{}", "ALERT_RULE_NOT_FOUND"),
        ("PATCH", "/rules/{}", "ALERT_RULE_NOT_FOUND"),
        ("DELETE", "/rules/{}", "ALERT_RULE_NOT_FOUND"),
        ("GET", "/channels/{}", "ALERT_CHANNEL_NOT_FOUND"),
        ("PATCH", "/channels/{}", "ALERT_CHANNEL_NOT_FOUND"),
        ("DELETE", "/channels/{}", "ALERT_CHANNEL_NOT_FOUND"),
        ("POST", "/channels/{}/test", "ALERT_CHANNEL_NOT_FOUND"),
        ("GET", "/{}", "ALERT_NOT_FOUND"),
        ("POST", "/{}/acknowledge", "ALERT_NOT_FOUND"),
        ("POST", "/{}/resolve", "ALERT_NOT_FOUND"),
    ],
)
async def test_what_is_not_there_is_said_so(
    stage: Stage, method: str, path: str, code: str
) -> None:
    client = stage.house.client("alice")
    body: Any = {} if method == "PATCH" else None
    answer = await client.request(method, API + path.format(uuid4()), json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, code)
    answer = await client.request(method, API + path.format("7"), json=body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "id")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"metric": "mood"}, "metric"), ({"comparison": "near"}, "comparison"),
        ({"threshold": "high"}, "threshold"), ({"threshold": None}, "threshold"),
        ({"clearThreshold": 2}, "clearThreshold"), ({"forSeconds": -1}, "forSeconds"),
        ({"forSeconds": 86_401}, "forSeconds"), ({"cooldownSeconds": 0.5}, "cooldownSeconds"),
        ({"severity": "grave"}, "severity"), ({"name": ""}, "name"), ({"name": "x" * 101}, "name"),
        ({"channels": ["7"]}, "channels[0]"), ({"channels": [str(uuid4())]}, "channels[0]"),
        ({"builtIn": True}, "builtIn"), ({"mood": 1}, "mood"),
    ],
)  # fmt: skip
async def test_a_rule_that_is_wrong_is_refused_by_field(
    stage: Stage, change: dict[str, Any], field: str
) -> None:
    client = stage.house.client("alice")
    answer = await client.post(f"{API}/rules", json=RULE | change)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)
    made = await stage.call("POST", "/rules", RULE, status=201)
    answer = await client.patch(f"{API}/rules/{made['id']}", json=change)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)
    assert await stage.call("GET", f"/rules/{made['id']}") == made


EMAIL = {"host": "127.0.0.1", "sender": "a@example.com", "to": ["b@example.com"]}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "pigeon"}, "kind"), ({"kind": "webhook"}, "url"), ({"kind": "slack"}, "url"),
        ({"kind": "email"}, "email"), ({"kind": "log", "url": "http://127.0.0.1/"}, "url"),
        ({"kind": "log", "email": EMAIL}, "email"),
        ({"kind": "email", "email": EMAIL | {"to": []}}, "email.to"),
        ({"kind": "email", "email": EMAIL | {"to": ["x\r\ny@example.com"]}}, "email.to[0]"),
        ({"kind": "email", "email": EMAIL | {"sender": "nobody"}}, "email.sender"),
        ({"kind": "email", "email": EMAIL | {"port": 0}}, "email.port"),
        ({"kind": "email", "email": EMAIL | {"host": "a\r\nb"}}, "email.host"),
        ({"kind": "log", "secret": "mine"}, "secret"),
    ],
)  # fmt: skip
async def test_a_channel_that_is_wrong_is_refused_by_field(
    stage: Stage, body: dict[str, Any], field: str
) -> None:
    client = stage.house.client("alice")
    answer = await client.post(f"{API}/channels", json={"name": "x"} | body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["errors"][0]["field"] == field


@pytest.mark.parametrize(
    "query", ["state=open", "severity=grave", "ruleId=7", "limit=0", "cursor=x", "depth=1"]
)
async def test_a_parameter_that_is_wrong_is_named(stage: Stage, query: str) -> None:
    answer = await stage.house.client("alice").get(f"{API}?{query}")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == query.split("=", maxsplit=1)[0]


async def test_rules_that_are_built_in_are_changed_and_not_deleted(stage: Stage) -> None:
    first, *_ = await stage.call("GET", "/rules")
    path = f"/rules/{first['id']}"
    answer = await stage.house.client("alice").delete(API + path)
    assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")
    changed = await stage.call("PATCH", path, {"threshold": 50, "isEnabled": False})
    assert (changed["threshold"], changed["clearThreshold"]) == (50, first["clearThreshold"])
    assert (changed["isEnabled"], changed["builtIn"]) == (False, True)


async def test_a_clear_threshold_that_was_the_threshold_goes_with_it(stage: Stage) -> None:
    made = await stage.call("POST", "/rules", RULE, status=201)
    path = f"/rules/{made['id']}"
    assert made["clearThreshold"] == 1
    assert (await stage.call("PATCH", path, {"threshold": 9}))["clearThreshold"] == 9
    assert (await stage.call("PATCH", path, {"clearThreshold": 3}))["clearThreshold"] == 3
    assert (await stage.call("PATCH", path, {"clearThreshold": None}))["clearThreshold"] == 9


async def test_a_key_makes_a_channel_once_and_shows_its_secret_once(
    stage: Stage, receiver: Webhooks
) -> None:
    client = stage.house.client("alice")
    alice = stage.house.people.known["alice"]
    made = names() | {"users": alice.user_id, "workspaces": alice.workspace_id}
    async with stage.admin.transaction():
        for table in ("users", "workspaces"):
            await plant(stage.admin, table, row_of(table, made, "alice"))
    body = {"name": "Pager", "kind": "webhook", "url": receiver.url}
    headers = {"idempotency-key": "once"}
    first = await client.post(f"{API}/channels", json=body, headers=headers)
    again = await client.post(f"{API}/channels", json=body, headers=headers)
    assert first.json()["data"]["secret"].startswith("whsec_")
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json()["data"] == first.json()["data"] | {"secret": None}
    assert len(await stage.call("GET", "/channels")) == 1


async def test_alerts_are_listed_by_what_they_are_and_in_pages(stage: Stage) -> None:
    rule = await stage.only(cooldownSeconds=0, forSeconds=0)
    for _ in range(3):
        await stage.slow(5)
        await stage.look(15)
        await stage.slow(0)
        await stage.look(15)
    page = await stage.call("GET", "?limit=2")
    rest = await stage.call("GET", f"?limit=2&cursor={page['nextCursor']}")
    assert [len(page["items"]), len(rest["items"]), rest["nextCursor"]] == [2, 1, None]
    opened = [each["openedAt"] for each in page["items"] + rest["items"]]
    assert opened == sorted(opened, reverse=True)
    for query, number in (
        (f"ruleId={rule['id']}", 3), (f"ruleId={uuid4()}", 0), ("state=resolved", 3),
        ("state=firing", 0), ("severity=critical", 3), ("severity=info", 0),
    ):  # fmt: skip
        assert len((await stage.call("GET", f"?{query}"))["items"]) == number, query
