"""A config comes back as it was sent: every digit of its numbers."""

import json
import re
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.environments.config import merged, read_config, write_config
from roost.environments.model import CONFIG_LIMIT
from roost.errors import ProblemError
from tests.environments.calls import ALL, create

NUMBERS = [
    "9007199254740993",
    "-9007199254740993",
    "18446744073709551617",
    "123456789012345678901234567890123456789",
    "0.1",
    "0.12345678901234567890123456789",
    "9007199254740993.000000000000000000001",
    "1.50",
    "0",
]


def _exact(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


@pytest.mark.parametrize("number", NUMBERS)
async def test_numbers_come_back_to_the_digit(alice: httpx.AsyncClient, number: str) -> None:
    body = f'{{"name":"x","config":{{"n":{number},"list":[{number}]}}}}'
    answer = await alice.post(ALL, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 201
    path = f"{ALL}/{answer.json()['data']['id']}"
    await alice.patch(path, json={"config": {"other": 1}})
    for found in (answer.text, (await alice.get(ALL)).text, (await alice.get(path)).text):
        assert re.search(r'"n": ([-+.0-9eE]+)', found)[1] == number  # type: ignore[index]
        assert f'"list": [{number}]' in found


@pytest.mark.parametrize(
    ("number", "value"),
    [("1e400", 10**400), ("1E+2", 100), ("-1.5e-3", Decimal("-0.0015")), ("0e9", 0), ("-0", 0)],
)
async def test_exponents_are_written_out(
    alice: httpx.AsyncClient, number: str, value: Decimal | int
) -> None:
    body = f'{{"name":"x","config":{{"n":{number}}}}}'
    answer = await alice.post(ALL, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 201
    assert _exact(answer.text)["data"]["config"]["n"] == value


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.decimals(allow_nan=False, allow_infinity=False, places=20)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text('ab\\"é', max_size=3), inner)
    ),
    max_leaves=12,
)


def _write(value: Any) -> str:
    """Write JSON with decimals as numbers, which the standard library can't."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{_write(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_write, value)) + "]"
    return json.dumps(value)


@given(st.dictionaries(st.text("xyz", max_size=2), JSON_VALUES, max_size=4))
def test_reading_and_writing_keep_every_value(config: dict[str, Any]) -> None:
    assert _exact(write_config(read_config(_write(config).encode()))) == config


async def test_the_limit_is_of_the_json_without_spaces(alice: httpx.AsyncClient) -> None:
    largest = {"a": "v" * (CONFIG_LIMIT - len('{"a":""}'))}
    spaced = json.dumps({"name": "x", "config": largest}, indent=8)
    answer = await alice.post(ALL, content=spaced, headers={"content-type": "application/json"})
    assert answer.status_code == 201
    found = answer.json()["data"]
    again = await alice.put(f"{ALL}/{found['id']}", json={"name": "x", "config": found["config"]})
    assert again.status_code == 200


async def test_patches_can_not_grow_a_config_past_its_limit(alice: httpx.AsyncClient) -> None:
    made = await create(alice, config={"a": "v" * (CONFIG_LIMIT - 100)})
    answer = await alice.patch(f"{ALL}/{made['id']}", json={"config": {"b": "v" * 100}})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "too_large")
    assert (await alice.get(f"{ALL}/{made['id']}")).json()["data"] == made


def test_few_bytes_can_not_become_many() -> None:
    numbers = b",".join([b"1e999"] * 1000)
    with pytest.raises(ProblemError, match="bytes of JSON"):
        write_config(read_config(b'{"a":[' + numbers + b"]}"))


def test_a_patch_keeps_the_numbers_that_it_does_not_name() -> None:
    stored = '{"a": 0.12345678901234567890, "b": {"c": 1.10}}'
    assert merged(stored, b'{"b":{"d":2.20}}') == (
        '{"a":0.12345678901234567890,"b":{"c":1.10,"d":2.20}}'
    )
