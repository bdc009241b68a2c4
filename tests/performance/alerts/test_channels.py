"""Channels: where messages go, in the form each wants, and nothing secret on the way back."""

import asyncio
import json
import logging
from typing import Any

import pytest

from roost.performance.alerts.addresses import Policy
from tests.performance.alerts.conftest import API, Stage
from tests.performance.alerts.receivers import Mailbox, Webhooks

LOGIN = {"username": "roost", "password": "hunter2"}


async def make(stage: Stage, kind: str, **given: Any) -> Any:
    body = {"name": kind, "kind": kind, **given}
    return await stage.call("POST", "/channels", body, status=201)


def email(box: Mailbox, **given: Any) -> dict[str, Any]:
    return {
        "host": "127.0.0.1", "port": box.port, "security": "none", "sender": "roost@example.com",
        "to": ["ops@example.com", "boss@example.com"], **given,
    }  # fmt: skip


@pytest.mark.parametrize(("kind", "name"), [("slack", "text"), ("discord", "content")])
async def test_chats_get_words_in_which_nothing_is_markup(
    stage: Stage, receiver: Webhooks, kind: str, name: str
) -> None:
    await stage.only(name="Slow <!here> & more")
    await make(stage, kind, url=receiver.url)
    await stage.fire()
    assert await stage.deliver() == 1
    (sent,) = receiver.sent
    words = sent.json[name]
    assert "Firing [critical] Slow" in words
    assert "slowQueries is 5 (above 2" in words
    assert ("<!here>" in words) == (kind == "discord")
    if kind == "discord":
        assert sent.json["allowed_mentions"] == {"parse": []}
    assert "webhook-signature" not in sent.headers


async def test_a_letter_arrives_with_a_log_in(stage: Stage, post_box: Mailbox) -> None:
    await stage.only(name="Slow\r\nBcc: x@example.com")
    config = email(post_box, **LOGIN)
    channel = await make(stage, "email", email=config)
    assert channel["target"] == f"ops@example.com, boss@example.com by 127.0.0.1:{post_box.port}"
    await stage.fire()
    assert await stage.deliver() == 1
    ((sender, to, letter),) = post_box.letters
    assert "roost@example.com" in sender
    assert [each.partition("<")[2].partition(">")[0] for each in to] == config["to"]
    assert post_box.logins == [b"\0roost\0hunter2"]
    head, _, text = letter.partition("\r\n\r\n")
    assert "Subject: Roost: firing (critical): Slow" in head
    assert not any(line.startswith("Bcc:") for line in head.splitlines())
    assert "slowQueries is 5" in text
    (delivery,) = await stage.call("GET", "/deliveries")
    assert f"Message-ID: <{delivery['id']}@roost.alerts>" in head


async def test_a_log_in_that_is_refused_is_told_without_the_server_s_words(
    stage: Stage, post_box: Mailbox
) -> None:
    post_box.refuses = True
    config = email(post_box, **LOGIN)
    channel = await make(stage, "email", email=config)
    outcome = await stage.call("POST", f"/channels/{channel['id']}/test")
    assert outcome["isDelivered"] is False
    assert outcome["detail"] == "the mail server refused the log-in (535)"


async def test_the_log_is_a_channel_too(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    await stage.only()
    await make(stage, "log")
    await stage.fire()
    with caplog.at_level(logging.WARNING, "roost.alerts"):
        await stage.deliver()
    assert "Firing [critical] Slow" in caplog.text


async def test_a_test_says_what_happened_and_is_signed(stage: Stage, receiver: Webhooks) -> None:
    channel = await stage.webhook(receiver)
    receiver.answers = [b"200 OK", b"418 Teapot", b"302 Found\r\nlocation: http://127.0.0.1:1/"]
    path = f"/channels/{channel['id']}/test"
    outcomes = [await stage.call("POST", path) for _ in range(3)]
    assert [each["isDelivered"] for each in outcomes] == [True, False, False]
    assert [each["detail"] for each in outcomes] == [f"answered {n}" for n in (200, 418, 302)]
    assert len(receiver.sent) == 3, "no redirect is followed"
    assert receiver.sent[0].json["type"] == "alert.test"
    assert all(each.is_signed_with(channel["secret"]) for each in receiver.sent)


async def test_an_answer_without_an_end_is_not_waited_for(stage: Stage) -> None:
    async def flood(_reader: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 10_000)
                await writer.drain()
        except OSError:
            writer.close()

    server = await asyncio.start_server(flood, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    channel = await make(stage, "webhook", url=url)
    outcome = await stage.call("POST", f"/channels/{channel['id']}/test")
    assert outcome["isDelivered"]
    assert outcome["seconds"] < 5
    server.close()


async def test_nobody_there_is_said_so(stage: Stage) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    channel = await make(stage, "webhook", url=f"http://127.0.0.1:{port}/?key=hunter2")
    outcome = await stage.call("POST", f"/channels/{channel['id']}/test")
    assert (outcome["isDelivered"], outcome["detail"]) == (False, "it can't be connected to")


async def test_a_name_is_sent_on_while_the_connection_goes_to_its_address(
    stage: Stage, receiver: Webhooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    original = asyncio.BaseEventLoop.getaddrinfo

    async def getaddrinfo(self: Any, host: str, *places: Any, **given: Any) -> Any:
        asked.append(host)
        host = "127.0.0.1" if host == "hooks.example.com" else host
        return await original(self, host, *places, **given)

    channel = await stage.webhook(receiver)
    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    url = f"http://hooks.example.com:{receiver.port}/x"
    await stage.call("PATCH", f"/channels/{channel['id']}", {"url": url})
    asked.clear()
    outcome = await stage.call("POST", f"/channels/{channel['id']}/test")
    assert outcome["isDelivered"]
    assert receiver.sent[0].headers["host"] == f"hooks.example.com:{receiver.port}"
    assert asked.count("hooks.example.com") == 1


@pytest.mark.parametrize(
    "url",
    ["http://169.254.169.254/latest/meta-data", "http://localhost:5432/", "http://[::1]/",
     "http://2130706434/", "http://10.0.0.1/", "ftp://example.com/", "http://a:b@127.0.0.1/"],
)  # fmt: skip
async def test_places_that_are_not_allowed_are_refused_by_field(stage: Stage, url: str) -> None:
    stage.sender.policy = Policy.of(("127.0.0.3",))
    for kind in ("webhook", "slack", "discord"):
        answer = await stage.house.client("alice").post(
            f"{API}/channels", json={"name": "x", "kind": kind, "url": url}
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "ALERT_TARGET_REFUSED")
        assert answer.json()["errors"][0]["field"] == "url"
    assert await stage.call("GET", "/channels") == []


async def test_a_mail_server_on_this_machine_is_refused(stage: Stage, post_box: Mailbox) -> None:
    stage.sender.policy = Policy()
    body = {"name": "x", "kind": "email", "email": email(post_box)}
    answer = await stage.house.client("alice").post(f"{API}/channels", json=body)
    assert answer.json()["errors"][0]["field"] == "email.host"
    assert post_box.letters == []


async def test_what_is_no_longer_allowed_is_refused_when_it_is_sent(
    stage: Stage, receiver: Webhooks, post_box: Mailbox
) -> None:
    await stage.only()
    await stage.webhook(receiver)
    await make(stage, "email", email=email(post_box))
    await stage.fire()
    stage.sender.policy = Policy()
    assert await stage.deliver() == 2
    assert (receiver.sent, post_box.letters) == ([], [])
    found = await stage.call("GET", "/deliveries")
    assert all("private network" in each["lastError"] for each in found)


async def test_a_secret_is_in_one_answer_and_nowhere_else(
    stage: Stage, receiver: Webhooks, post_box: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "roost")
    client = stage.house.client("alice")
    body = {"name": "Pager", "kind": "webhook", "url": receiver.url}
    answer = await client.post(f"{API}/channels", json=body)
    assert answer.headers["cache-control"] == "no-store"
    made = answer.json()["data"]
    secret = made["secret"]
    assert secret.startswith("whsec_")
    assert made["target"] == f"http://127.0.0.1:{receiver.port}/…"
    config = email(post_box, **LOGIN)
    await make(stage, "email", email=config)
    await stage.only()
    await stage.fire()
    receiver.answers = [b"500 hunter2"]
    post_box.refuses = True
    await stage.deliver()
    one = f"/channels/{made['id']}"
    seen = [
        await stage.call("GET", path)
        for path in ("/channels", one, "/deliveries", "", "/rules", "/metrics")
    ]
    seen += [
        await stage.call("PATCH", one, {"name": "New"}),
        await stage.call("POST", one + "/test"),
    ]
    rows = await stage.admin.fetch(
        "select c::text from performance.alert_channel c union all"
        " select d::text from performance.alert_delivery d"
    )
    everything = json.dumps(seen) + str(rows) + caplog.text
    for hidden in (secret, secret.removeprefix("whsec_"), "hunter2"):
        assert hidden not in everything
    receiver.answers.clear()
    await stage.call("POST", one + "/test")
    assert receiver.sent[-1].is_signed_with(secret), "a change keeps the secret"


async def test_a_key_that_is_lost_is_told_and_nothing_is_sent(
    stage: Stage, receiver: Webhooks
) -> None:
    channel = await stage.webhook(receiver)
    await stage.admin.execute("update performance.alert_channel set sealed = decode('00', 'hex')")
    outcome = await stage.call("POST", f"/channels/{channel['id']}/test")
    assert outcome["detail"] == "none of the keys opens the channel's secrets"
    assert receiver.sent == []


async def test_the_last_channel_of_a_rule_is_kept_so_that_the_rule_does_not_come_to_tell_all(
    stage: Stage, receiver: Webhooks
) -> None:
    await stage.webhook(receiver)
    mine = await stage.webhook(receiver)
    rule = await stage.only(name="Quiet", channels=[mine["id"]])
    path = f"/channels/{mine['id']}"
    answer = await stage.house.client("alice").delete(API + path)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "CONFLICT")
    assert problem["detail"] == "it is the only channel of “Quiet”"
    assert problem["rules"] == [rule["id"]]
    assert (await stage.call("GET", f"/rules/{rule['id']}"))["channels"] == [mine["id"]]
    await stage.fire()
    assert await stage.deliver() == 1
    assert receiver.sent[0].is_signed_with(mine["secret"])
    await stage.call("PATCH", f"/rules/{rule['id']}", {"channels": []})
    await stage.call("DELETE", path, status=204)


async def test_of_two_who_delete_a_rule_s_two_channels_at_once_one_is_refused(
    stage: Stage, receiver: Webhooks
) -> None:
    both = [await stage.webhook(receiver) for _ in range(2)]
    for _ in range(5):
        rule = await stage.only(channels=[each["id"] for each in both])
        clients = [stage.house.client("alice") for _ in both]
        answers = await asyncio.gather(
            *(client.delete(f"{API}/channels/{each['id']}")
              for client, each in zip(clients, both, strict=True))
        )  # fmt: skip
        assert sorted(each.status_code for each in answers) == [204, 409]
        (left,) = (await stage.call("GET", f"/rules/{rule['id']}"))["channels"]
        await stage.call("DELETE", f"/rules/{rule['id']}", status=204)
        both = [await stage.call("GET", f"/channels/{left}"), await stage.webhook(receiver)]


async def test_a_channel_that_is_disabled_or_gone_gets_nothing(
    stage: Stage, receiver: Webhooks
) -> None:
    first, second = await stage.webhook(receiver), await stage.webhook(receiver)
    rule = await stage.only(channels=[first["id"], second["id"]])
    await stage.fire()
    await stage.call("PATCH", f"/channels/{first['id']}", {"isEnabled": False})
    await stage.call("DELETE", f"/channels/{second['id']}", status=204)
    await stage.deliver()
    assert receiver.sent == []
    (delivery,) = await stage.call("GET", "/deliveries")
    assert (delivery["state"], delivery["lastError"]) == ("failed", "the channel is disabled")
    assert (await stage.call("GET", f"/rules/{rule['id']}"))["channels"] == [first["id"]]
