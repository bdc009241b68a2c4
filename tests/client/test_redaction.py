"""Secrets in errors: whatever has become of their quotes, they are not told."""

import pytest

from roost.client import AsyncRoost
from roost.client.redaction import Redaction
from tests.executions.talking import API
from tests.support.house import House

KEY = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n"
SECRETS = {"TOKEN": 'hush"hush/1', "SHORT": "hush", "KEY": KEY, "EMPTY": ""}


@pytest.mark.parametrize(
    "told",
    [
        SECRETS["TOKEN"],
        repr(SECRETS["TOKEN"]),
        '{"token": "hush\\"hush/1"}',
        "https://user:hush%22hush%2F1@example.test",
        KEY,
        repr(KEY),
        "line 3: hkiG9w0BAQEFAASC",
    ],
)
def test_no_form_of_a_secret_is_left(told: str) -> None:
    text = Redaction(SECRETS).of(f"before {told} after")
    assert "hush" not in text
    assert "hkiG9w0" not in text
    assert text.startswith("before ")
    assert text.endswith(" after")


def test_the_name_stands_in_its_place() -> None:
    assert Redaction(SECRETS).of(f"bad token {SECRETS['TOKEN']}") == "bad token [TOKEN]"
    assert Redaction({}).of("nothing to hide") == "nothing to hide"
    assert Redaction({"E": "E"}).of("E") == "[E]", "a name is not looked at again"


async def test_an_error_is_told_without_the_secrets_of_the_environment(
    roost: AsyncRoost, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    alice = house.client("alice")
    made = await alice.post(f"{API}/environments", json={"name": "shop"})
    environment = made.json()["data"]["id"]
    secret = {"value": "sk-very-secret"}
    await alice.put(f"{API}/environments/{environment}/secrets/API_KEY", json=secret)
    await roost.tasks.create("Mend it", environment_id=environment)
    async for run in roost.work("fixer", environment=environment, poll_seconds=None):
        assert run.secrets == {"API_KEY": "sk-very-secret"}
        assert run.environment is not None
        assert run.environment.name == "shop"
        async with run:
            message = f"401 for https://example.test?key={run.secrets['API_KEY']}"
            raise ConnectionError(message)
    [failed] = (await roost.executions.list()).items
    assert failed.error == {
        "type": "ConnectionError",
        "message": "401 for https://example.test?key=[API_KEY]",
    }
    assert "sk-very-secret" not in caplog.text
