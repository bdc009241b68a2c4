"""Secrets go in, and never come out by a route, a log or the journal."""

import logging
from typing import Any
from uuid import UUID

import httpx
import pytest
from cryptography.fernet import Fernet

from roost.db.sealing import SecretBox, SecretKeyError
from roost.db.tenancy import Context
from roost.environments.model import SecretValue
from roost.environments.routes import EnvironmentRoutes
from roost.environments.secret_values import reveal_secrets, rotate_secrets
from roost.web.principal import Principal
from tests.environments.calls import ALL, create, listed, read
from tests.environments.conftest import newcomer
from tests.support.house import House

VALUE = "obviously-" + "fake-value-Ünïcödé-👩‍💻"


async def _reveal(
    house: House, owner: Principal, environment_id: str, box: SecretBox
) -> dict[str, str]:
    return await house.database.write(
        Context(owner.workspace_id, owner.user_id),
        lambda transaction: reveal_secrets(
            transaction, owner.workspace_id, UUID(environment_id), box
        ),
    )


async def _rotate(house: House, owner: Principal, box: SecretBox) -> int:
    return await house.database.write(
        Context(owner.workspace_id, owner.user_id),
        lambda transaction: rotate_secrets(transaction, owner.workspace_id, box),
    )


async def test_a_secret_shows_its_name_and_moment_alone(
    house: House, alice: httpx.AsyncClient, owner: Principal, secret_box: SecretBox
) -> None:
    made = await create(alice)
    answer = await alice.put(f"{ALL}/{made['id']}/secrets/API_TOKEN", json={"value": VALUE})
    assert (answer.status_code, answer.content) == (204, b"")
    found = await read(alice, made["id"])
    assert [set(secret) for secret in found["secrets"]] == [{"name", "updatedAt"}]
    assert found["secrets"][0]["name"] == "API_TOKEN"
    assert (found["version"], found["updatedAt"]) == (2, found["secrets"][0]["updatedAt"])
    assert await _reveal(house, owner, made["id"], secret_box) == {"API_TOKEN": VALUE}


async def test_no_answer_log_or_row_holds_the_value(
    alice: httpx.AsyncClient,
    owner: Principal,
    superuser: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    made = await create(alice)
    path = f"{ALL}/{made['id']}"
    answers = [
        await alice.put(f"{path}/secrets/A", json={"value": VALUE}),
        await alice.put(f"{path}/secrets/A", json={"value": VALUE, "x": VALUE}),
        await alice.put(f"{path}/secrets/A", json={"value": [VALUE]}),
        await alice.put(f"{path}/secrets/1", json={"value": VALUE}),
        await alice.get(f"{path}/secrets/A"),
        await alice.get(path),
        await alice.get(ALL),
        await alice.patch(path, json={"name": "other"}),
        await alice.post(f"{path}/activate"),
        await alice.get(f"{ALL}/active"),
        await alice.delete(f"{path}/secrets/A"),
        await alice.delete(path),
    ]
    ciphertexts = await superuser.fetch(
        "select to_jsonb(j)::text as row from journal.journal j where workspace_id = $1",
        owner.workspace_id,
    )
    assert len(ciphertexts) > 4
    for text in [*(a.text for a in answers), caplog.text, *(row["row"] for row in ciphertexts)]:
        assert "fake-value" not in text
        assert "gAAAA" not in text  # how every Fernet token begins
        assert "67414141" not in text  # the same in hexadecimal
        assert "ciphertext" not in text


async def test_the_database_holds_only_ciphertext(
    alice: httpx.AsyncClient, superuser: Any, secret_box: SecretBox
) -> None:
    made = await create(alice)
    await alice.put(f"{ALL}/{made['id']}/secrets/A", json={"value": VALUE})
    stored = await superuser.fetchval(
        "select ciphertext from environment_secrets where environment_id = $1", UUID(made["id"])
    )
    assert VALUE.encode() not in stored
    assert secret_box.open(stored) == VALUE


async def test_a_second_value_takes_the_place_of_the_first(
    house: House, alice: httpx.AsyncClient, owner: Principal, secret_box: SecretBox
) -> None:
    made = await create(alice)
    path = f"{ALL}/{made['id']}/secrets/A"
    await alice.put(path, json={"value": "one"})
    [before] = (await read(alice, made["id"]))["secrets"]
    await alice.put(path, json={"value": "two"})
    [after] = (await read(alice, made["id"]))["secrets"]
    assert after["updatedAt"] > before["updatedAt"]
    assert await _reveal(house, owner, made["id"], secret_box) == {"A": "two"}


async def test_a_deleted_secret_is_gone(alice: httpx.AsyncClient) -> None:
    made = await create(alice)
    path = f"{ALL}/{made['id']}/secrets"
    await alice.put(f"{path}/A", json={"value": "v"})
    await alice.put(f"{path}/B", json={"value": "v"})
    assert (await alice.delete(f"{path}/A")).status_code == 204
    found = await read(alice, made["id"])
    assert [secret["name"] for secret in found["secrets"]] == ["B"]
    again = await alice.delete(f"{path}/A")
    assert (again.status_code, again.json()["code"]) == (404, "SECRET_NOT_FOUND")
    assert await read(alice, made["id"]) == found


@pytest.mark.parametrize("name", ["A", "_", "a.b-c_D9", "A" * 128])
async def test_names_of_every_allowed_kind_work(alice: httpx.AsyncClient, name: str) -> None:
    made = await create(alice)
    answer = await alice.put(f"{ALL}/{made['id']}/secrets/{name}", json={"value": "v"})
    assert answer.status_code == 204
    assert [s["name"] for s in (await read(alice, made["id"]))["secrets"]] == [name]


@pytest.mark.parametrize("value", ["v" * 65_536, "👩" * 65_536, "line\nline\t\x01"])
async def test_values_up_to_the_limit_are_kept_exactly(
    house: House,
    alice: httpx.AsyncClient,
    owner: Principal,
    secret_box: SecretBox,
    value: str,
) -> None:
    made = await create(alice)
    answer = await alice.put(f"{ALL}/{made['id']}/secrets/A", json={"value": value})
    assert answer.status_code == 204
    assert await _reveal(house, owner, made["id"], secret_box) == {"A": value}


async def test_another_workspace_reveals_nothing(
    house: House, alice: httpx.AsyncClient, secret_box: SecretBox
) -> None:
    made = await create(alice)
    await alice.put(f"{ALL}/{made['id']}/secrets/A", json={"value": "v"})
    _, mallory = newcomer(house)
    assert await _reveal(house, mallory, made["id"], secret_box) == {}


async def test_rotation_moves_every_secret_to_the_newest_key(
    house: House, alice: httpx.AsyncClient, owner: Principal
) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    environments = [await create(alice, f"number {number}") for number in range(3)]
    house.mount(EnvironmentRoutes(house.kit, SecretBox([old])).endpoints())
    for made in environments:
        client = house.client("alice")
        await client.put(f"{ALL}/{made['id']}/secrets/A", json={"value": made["name"]})
    before = await listed(house.client("alice"))
    with pytest.raises(SecretKeyError):
        await _reveal(house, owner, environments[0]["id"], SecretBox([new]))
    assert await _rotate(house, owner, SecretBox([new, old])) == 3
    for made in environments:
        found = await _reveal(house, owner, made["id"], SecretBox([new]))
        assert found == {"A": made["name"]}
        with pytest.raises(SecretKeyError):
            await _reveal(house, owner, made["id"], SecretBox([old]))
    assert await listed(house.client("alice")) == before


async def test_a_rotation_without_the_old_key_changes_nothing(
    house: House, alice: httpx.AsyncClient, owner: Principal, secret_box: SecretBox
) -> None:
    made = await create(alice)
    await alice.put(f"{ALL}/{made['id']}/secrets/A", json={"value": "v"})
    with pytest.raises(SecretKeyError, match="ROOST_SECRET_KEYS"):
        await _rotate(house, owner, SecretBox([Fernet.generate_key().decode()]))
    assert await _reveal(house, owner, made["id"], secret_box) == {"A": "v"}


async def test_a_name_that_json_has_to_escape_spoils_no_list(
    alice: httpx.AsyncClient, superuser: Any
) -> None:
    made = await create(alice)
    name = 'A"B\\ \n'
    await superuser.execute(
        "insert into environment_secrets (workspace_id, id, environment_id, name, ciphertext) "
        "select workspace_id, gen_random_uuid(), id, $2, '' from environments where id = $1",
        UUID(made["id"]),
        name,
    )
    for found in (await read(alice, made["id"]), *await listed(alice)):
        assert [each["name"] for each in found["secrets"]] == [name]


def test_a_secret_body_does_not_show_itself() -> None:
    assert "hidden" not in repr(SecretValue(value="hidden"))
