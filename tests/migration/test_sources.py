"""Files that hold a localStorage, and files that do not."""

import codecs
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from roost.migration.octets import utf8
from roost.migration.sources import SourceError, of_strings, read_dump
from tests.migration.parsing import NOW

KEYS = {"task-store": '{"state":{"tasks":[]},"version":0}', "theme": "dark 🎉"}
RAW = {key: raw.encode() for key, raw in KEYS.items()}


def dump(value: Any, **options: Any) -> Any:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return read_dump(content, now=NOW, **options)


def test_the_modules_export_is_read_with_origin_and_time() -> None:
    found = dump({"origin": "http://a.test", "capturedAt": "2025-07-20T10:00:00Z", "keys": KEYS})
    assert found.keys == RAW
    assert found.origin == "http://a.test"
    assert found.captured_at == datetime(2025, 7, 20, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        KEYS,
        {"localStorage": KEYS},
        {"localStorage": [{"name": key, "value": raw} for key, raw in KEYS.items()]},
        {"keys": [{"key": key, "value": raw} for key, raw in KEYS.items()]},
    ],
)
def test_other_objects_of_raw_strings_are_read(value: Any) -> None:
    assert dump(value).keys == RAW


@pytest.mark.parametrize(
    "names",
    [["log"], ["origins"], ["state"], ["state", "version"], ["keys"], ["localStorage", "origin"]],
)
def test_a_plain_object_may_have_keys_called_like_other_files_members(names: list[str]) -> None:
    assert dump(dict.fromkeys(names, "x")).keys == dict.fromkeys(names, b"x")


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ],
)
def test_files_saved_with_a_byte_order_mark_are_read(mark: bytes, encoding: str) -> None:
    content = json.dumps({"keys": KEYS}, ensure_ascii=False).encode(encoding)
    assert dump(mark + content).keys == RAW


def storage_state(*origins: str) -> dict[str, Any]:
    pairs = [{"name": key, "value": raw} for key, raw in KEYS.items()]
    return {
        "cookies": [],
        "origins": [{"origin": origin, "localStorage": pairs} for origin in origins],
    }


def test_playwrights_storage_state_is_read() -> None:
    found = dump(storage_state("http://a.test"))
    assert (found.keys, found.origin) == (RAW, "http://a.test")
    assert dump(storage_state("http://a.test", "http://b.test"), origin="http://b.test").origin == (
        "http://b.test"
    )


def test_of_several_origins_one_has_to_be_chosen() -> None:
    with pytest.raises(SourceError, match=r"2 origins: http://a\.test, http://b\.test") as caught:
        dump(storage_state("http://b.test", "http://a.test"))
    assert "--origin" in caught.value.hint
    with pytest.raises(SourceError, match=r"nothing of http://c\.test") as caught:
        dump(storage_state("http://a.test"), origin="http://c.test")
    assert "http://a.test" in caught.value.hint


def test_lone_surrogates_travel_to_the_hash_as_they_are() -> None:
    raw = "x\ud800y"
    expected = hashlib.sha256(b"x\xed\xa0\x80y").hexdigest()
    escaped = dump(b'{"keys":{"k":"x\\ud800y"}}').keys["k"]
    literal = dump(b'{"keys":{"k":"x\xed\xa0\x80y"}}').keys["k"]
    for found in (escaped, literal, of_strings({"k": raw}).keys["k"]):
        assert hashlib.sha256(found).hexdigest() == expected


def test_a_pair_that_came_one_by_one_is_one_character() -> None:
    assert utf8("\ud83c\udf89 \ud800") == "🎉 ".encode() + b"\xed\xa0\x80"
    assert dump(b'{"keys":{"k":"\xed\xa0\xbc\xed\xbe\x89"}}').keys["k"] == "🎉".encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"   ", "is empty"),
        (b"<!doctype html>", "web page"),
        (b"hello", "no JSON object"),
        (b"\x00\xff\xfe", "no UTF-8"),
        (b"[]", "JSON list"),
        (b"{}", "nothing to migrate"),
        (b'{"keys":{"a":"b"', "ends too early"),
        (b'{"keys":{"a":"b', "ends too early"),
        (b'{"a":"b"} trailing', "no valid JSON, at byte 10"),
        (b'{"a":"b","a":"c"}', "twice"),
        (b'{"a":1}', "no string"),
        (b'{"keys":{"a":{"b":1}}}', "no string"),
        (b'{"a":"\\x"}', "no valid JSON string"),
        (b'{"state":{"tasks":[]},"version":0}', "value of one key"),
        (b'{"log":{"entries":[]}}', "HAR file"),
        (b'{"state":null}', "value of one key"),
        (b'{"origins":{}}', "no list"),
        (b'{"origins":[]}', "0 origins"),
        (b'{"localStorage":[{"name":"a"}]}', "no name or no value"),
        (b"[" * 100_000, "JSON list"),
        (b'{"a":' * 100_000, "ends too early"),
    ],
)
def test_anything_else_is_refused_with_what_to_do(content: bytes, message: str) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        dump(content)
    assert len(caught.value.hint) > 20
