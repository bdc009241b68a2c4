"""From trouble in the database to a message that has arrived, with a clock of the test's own."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from roost.performance.alerts import deliveries
from roost.performance.alerts.evaluating import REPEAT
from roost.performance.alerts.working import Alerts
from tests.performance.alerts.conftest import Stage
from tests.performance.alerts.receivers import Webhooks
from tests.performance.conftest import Connect


async def rule_of(stage: Stage, rule: Any) -> Any:
    return await stage.call("GET", f"/rules/{rule['id']}")


async def test_trouble_fires_after_its_time_is_told_once_and_ends(
    stage: Stage, receiver: Webhooks
) -> None:
    rule = await stage.only()
    channel = await stage.webhook(receiver)
    await stage.slow(5)
    await stage.look(15)
    assert (await rule_of(stage, rule))["state"] == "pending"
    await stage.look(15)
    assert (await stage.call("GET", ""))["items"] == []
    await stage.look(15)
    (event,) = (await stage.call("GET", ""))["items"]
    assert event == event | {
        "ruleId": rule["id"], "ruleName": "Slow", "severity": "critical", "state": "firing",
        "metric": "slowQueries", "value": 5.0, "worst": 5.0, "resolvedAt": None,
        "openedAt": stage.now.isoformat().replace("+00:00", "Z"),
    }  # fmt: skip
    await stage.slow(9)
    await stage.look(15)
    assert await stage.deliver() == 1
    await stage.slow(0)
    await stage.look(15)
    assert await stage.deliver() == 1
    assert await stage.deliver(3600) == 0
    event = await stage.call("GET", f"/{event['id']}")
    assert (event["state"], event["value"], event["worst"]) == ("resolved", 0.0, 9.0)
    assert event["resolvedBy"] is None
    fired, resolved = receiver.sent
    assert (fired.json["type"], resolved.json["type"]) == ("alert.fired", "alert.resolved")
    assert fired.json["data"]["alerts"][0]["id"] == event["id"]
    assert fired.id != resolved.id
    for sent in receiver.sent:
        assert sent.is_signed_with(channel["secret"])
        assert not sent.is_signed_with("whsec_" + "A" * 43 + "=")
        assert sent.path == "/hook?key=hunter2"
        assert sent.headers["host"] == f"127.0.0.1:{receiver.port}"


async def test_of_four_workers_at_once_one_event_and_one_message_come(
    stage: Stage, receiver: Webhooks
) -> None:
    await stage.only(forSeconds=0)
    await stage.webhook(receiver)
    await stage.slow(5)
    receiver.pause = 0.1
    workers = [stage.worker() for _ in range(4)]

    async def work(worker: Alerts) -> None:
        for _ in range(5):
            await worker.evaluate()
            await worker.deliver()

    await asyncio.gather(*(work(worker) for worker in workers))
    assert len((await stage.call("GET", ""))["items"]) == 1
    assert len(receiver.sent) == 1
    (delivery,) = await stage.call("GET", "/deliveries")
    assert (delivery["state"], delivery["attempts"]) == ("delivered", 1)


async def test_a_look_that_comes_late_changes_nothing(stage: Stage) -> None:
    rule = await stage.only(forSeconds=0)
    await stage.slow(5)
    await stage.look(60)
    await stage.slow(0)
    await stage.worker().evaluate(stage.now - timedelta(seconds=1))
    assert (await rule_of(stage, rule))["state"] == "firing"


async def test_a_receiver_that_fails_is_tried_again_with_the_same_id(
    stage: Stage, receiver: Webhooks
) -> None:
    await stage.only()
    channel = await stage.webhook(receiver)
    receiver.answers = [b"500 Oh No", b"503 Later\r\nretry-after: 300"]
    await stage.fire()
    assert await stage.deliver() == 1
    (delivery,) = await stage.call("GET", "/deliveries")
    assert (delivery["state"], delivery["lastError"]) == ("pending", "answered 500")
    assert await stage.deliver(30) == 0
    assert await stage.deliver(20) == 1
    assert await stage.deliver(290) == 0, "the receiver has asked for five minutes"
    assert await stage.deliver(20) == 1
    (delivery,) = await stage.call("GET", "/deliveries?state=delivered")
    assert (delivery["attempts"], delivery["lastError"]) == (3, None)
    assert {sent.id for sent in receiver.sent} == {delivery["id"]}
    assert len({sent.body for sent in receiver.sent}) == 1
    assert all(sent.is_signed_with(channel["secret"]) for sent in receiver.sent)


async def test_after_five_attempts_in_about_an_hour_it_is_given_up(
    stage: Stage, receiver: Webhooks
) -> None:
    await stage.only()
    await stage.webhook(receiver)
    receiver.answers = [b"500 No"] * 9
    await stage.fire()
    began = last = stage.now
    for _ in range(3 * 60 * 6):
        last = stage.now if await stage.deliver(10) else last
    assert len(receiver.sent) == deliveries.ATTEMPTS
    assert 40 * 60 < (last - began).total_seconds() < 80 * 60
    (delivery,) = await stage.call("GET", "/deliveries?state=failed")
    assert (delivery["lastError"], delivery["nextAt"]) == ("answered 500", None)


async def test_what_a_worker_died_over_is_sent_by_another(stage: Stage, receiver: Webhooks) -> None:
    await stage.only()
    await stage.webhook(receiver)
    await stage.fire()
    receiver.pause = 30
    arrived = asyncio.Event()
    receiver.on_request = arrived.set
    dying = asyncio.create_task(stage.worker().deliver(stage.now))
    await arrived.wait()
    dying.cancel()
    await asyncio.wait([dying])
    receiver.pause = 0
    assert await stage.deliver(deliveries.LEASE_SECONDS - 1) == 0
    assert await stage.deliver(1) == 1
    first, second = receiver.sent
    assert (first.id, first.body) == (second.id, second.body)
    (delivery,) = await stage.call("GET", "/deliveries")
    assert (delivery["state"], delivery["attempts"]) == ("delivered", 1)


async def test_a_worker_whose_time_was_up_does_not_undo_what_another_did(
    stage: Stage, receiver: Webhooks
) -> None:
    await stage.only()
    await stage.webhook(receiver)
    await stage.fire()
    lease, (taken,) = await deliveries.take(stage.doctor, stage.now)
    assert await stage.deliver(deliveries.LEASE_SECONDS) == 1
    await deliveries.mark_failed(stage.doctor, taken["id"], lease, "too late", stage.now)
    (delivery,) = await stage.call("GET", "/deliveries")
    assert (delivery["state"], delivery["lastError"]) == ("delivered", None)


async def test_values_between_the_thresholds_and_the_cool_down_open_nothing(
    stage: Stage,
) -> None:
    rule = await stage.only(cooldownSeconds=60)
    await stage.fire()
    await stage.slow(2)  # no longer above 2, and not yet down to 1
    await stage.look(15)
    assert (await rule_of(stage, rule))["state"] == "firing"
    await stage.slow(1)
    await stage.look(15)
    assert (await rule_of(stage, rule))["state"] == "ok"
    await stage.slow(5)
    for _ in range(3):
        await stage.look(15)
        assert (await rule_of(stage, rule))["state"] == "pending"
    await stage.look(15)
    assert len((await stage.call("GET", ""))["items"]) == 2


async def test_what_is_pending_stays_so_over_a_restart(stage: Stage) -> None:
    await stage.only(forSeconds=30)
    await stage.slow(5)
    await stage.worker().evaluate(stage.now)
    # Nothing of a worker is kept but what is in the database.
    await stage.worker().evaluate(stage.now + timedelta(seconds=30))
    assert len((await stage.call("GET", ""))["items"]) == 1


async def test_alerts_of_one_look_come_in_one_message(stage: Stage, receiver: Webhooks) -> None:
    await stage.only(name="One", forSeconds=0)
    await stage.webhook(receiver)
    body = {"name": "Two", "metric": "slowQueries", "comparison": "above", "threshold": 3,
            "forSeconds": 0}  # fmt: skip
    await stage.call("POST", "/rules", body, status=201)
    await stage.slow(5)
    await stage.look(15)
    assert await stage.deliver() == 1
    (sent,) = receiver.sent
    assert [each["ruleName"] for each in sent.json["data"]["alerts"]] == ["One", "Two"]


async def test_a_rule_tells_its_own_channels_only(stage: Stage, receiver: Webhooks) -> None:
    other, mine = await stage.webhook(receiver), await stage.webhook(receiver)
    await stage.only(channels=[mine["id"]])
    await stage.fire()
    assert await stage.deliver() == 1
    assert receiver.sent[0].is_signed_with(mine["secret"])
    assert not receiver.sent[0].is_signed_with(other["secret"])


async def test_what_nobody_has_seen_is_repeated_and_what_somebody_has_is_not(
    stage: Stage, receiver: Webhooks
) -> None:
    await stage.only()
    await stage.webhook(receiver)
    event = await stage.fire()
    await stage.deliver()
    await stage.look(REPEAT.total_seconds())
    await stage.deliver()
    seen = await stage.call("POST", f"/{event['id']}/acknowledge")
    assert (seen["state"], seen["resolvedAt"]) == ("acknowledged", None)
    who = stage.house.people.known["alice"].user_id
    assert seen["acknowledgedBy"] == str(who)
    assert await stage.call("POST", f"/{event['id']}/acknowledge") == seen
    await stage.look(REPEAT.total_seconds())
    await stage.deliver()
    assert [each.json["type"] for each in receiver.sent] == ["alert.fired", "alert.repeated"]
    await stage.slow(0)
    await stage.look(15)
    assert (await stage.call("GET", f"/{event['id']}"))["state"] == "resolved"


async def test_an_alert_that_was_ended_by_hand_says_by_whom(
    stage: Stage, receiver: Webhooks
) -> None:
    rule = await stage.only()
    await stage.webhook(receiver)
    event = await stage.fire()
    ended = await stage.call("POST", f"/{event['id']}/resolve")
    who = str(stage.house.people.known["alice"].user_id)
    assert (ended["state"], ended["resolvedBy"]) == ("resolved", who)
    assert await stage.call("POST", f"/{event['id']}/resolve") == ended
    assert (await rule_of(stage, rule))["state"] == "ok"
    await stage.worker().deliver()
    assert {each.json["type"] for each in receiver.sent} == {"alert.fired", "alert.resolved"}


@pytest.mark.parametrize("change", ["disable", "delete", "another metric"])
async def test_an_alert_ends_with_what_it_was_about(stage: Stage, change: str) -> None:
    rule = await stage.only()
    event = await stage.fire()
    path = f"/rules/{rule['id']}"
    if change == "delete":
        await stage.call("DELETE", path, status=204)
    elif change == "disable":
        await stage.call("PATCH", path, {"isEnabled": False})
    else:
        await stage.call("PATCH", path, {"metric": "deadlocks"})
    assert (await stage.call("GET", f"/{event['id']}"))["state"] == "resolved"


async def test_a_metric_that_cant_be_read_is_unknown(stage: Stage) -> None:
    rule = await stage.only(metric="diskFreeShare", forSeconds=0)
    await stage.look(15)
    found = await rule_of(stage, rule)
    assert (found["state"], found["value"]) == ("unknown", None)
    assert (await stage.call("GET", ""))["items"] == []


async def test_a_transaction_that_is_open_for_long_is_told_of(
    stage: Stage, connect: Connect, receiver: Webhooks
) -> None:
    await stage.only(
        metric="oldestTransactionSeconds", threshold=0.2, clearThreshold=None, forSeconds=10
    )
    await stage.webhook(receiver)
    holder = await connect()
    await holder.execute("begin; select 1")
    await asyncio.sleep(0.3)
    await stage.look(15)
    await stage.look(15)
    await stage.deliver()
    assert receiver.sent[0].json["data"]["alerts"][0]["metric"] == "oldestTransactionSeconds"
    await holder.execute("rollback")
    await stage.look(15)
    assert (await stage.call("GET", ""))["items"][0]["state"] == "resolved"


async def test_what_is_long_over_is_forgotten_and_what_cant_end_is_ended(
    stage: Stage, receiver: Webhooks
) -> None:
    rule = await stage.only()
    await stage.webhook(receiver)
    await stage.fire()
    await stage.slow(0)
    await stage.look(15)
    await stage.call("POST", "/rules", {"name": "x", "metric": "deadlocks", "comparison": "above",
                                        "threshold": 1}, status=201)  # fmt: skip
    # The test's time is long ago: messages of then have waited for more than a day.
    await stage.worker().keep_up()
    found = await stage.call("GET", "/deliveries")
    assert {each["state"] for each in found} == {"failed"}
    assert {each["lastError"] for each in found} == {"it was not sent within a day"}
    assert (await stage.call("GET", ""))["items"] == []
    assert (await rule_of(stage, rule))["state"] == "ok"
