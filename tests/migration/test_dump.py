import struct
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roost.db.sealing import SecretBox, SecretKeyError
from roost.migration import dump
from tests.migration.parsing import unpacked

BOX = SecretBox(["a fake key for these tests"])
OTHER_BOX = SecretBox(["another fake key for tests"])
RAW = b"abcdefghij"
Parts = list[bytes]


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dump, "_PART", 4)


def parts_of(content: bytes | bytearray) -> Parts:
    found, at = [], 1
    while at < len(content):
        (size,) = struct.unpack_from(">I", content, at)
        found.append(bytes(content[at : at + 4 + size]))
        at += 4 + size
    return found


def packed(raw: bytes = RAW) -> Parts:
    return parts_of(dump.pack(raw, BOX).content)


def together(parts: Parts) -> bytes:
    return b"\x01" + b"".join(parts)


@settings(deadline=None, max_examples=50)
@given(st.binary(max_size=40), st.integers(1, 50))
def test_what_was_packed_comes_back_however_it_is_cut(raw: bytes, length: int) -> None:
    content = dump.pack(raw, BOX)
    assert content.size == len(raw)
    assert unpacked(bytes(content.content), len(raw), BOX, length) == raw


def test_a_dump_in_one_piece_is_still_read() -> None:
    assert unpacked(BOX.seal_bytes(zlib.compress(RAW)), len(RAW), BOX) == RAW


@pytest.mark.parametrize(
    "change",
    [
        lambda parts: parts[:-1],
        lambda parts: parts[1:],
        lambda parts: parts[:0],
        lambda parts: [parts[1], parts[0], parts[2]],
        lambda parts: [parts[0], parts[0], parts[2]],
        lambda parts: [*parts, parts[2]],
        lambda parts: [parts[0], packed()[1], parts[2]],
        lambda parts: [*parts[:2], parts[2][:-1]],
        lambda parts: [*parts, b"\x00"],
        lambda parts: [parts[0][:20] + b"AAAA" + parts[0][24:], *parts[1:]],
    ],
)
def test_parts_that_are_not_as_they_were_stored_are_refused(
    change: Callable[[Parts], Parts],
) -> None:
    with pytest.raises(SecretKeyError):
        unpacked(together(change(packed())), len(RAW), BOX)


@pytest.mark.parametrize("size", [len(RAW) - 1, len(RAW) + 1])
def test_a_dump_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(SecretKeyError):
        unpacked(together(packed()), size, BOX)


def test_a_dump_whose_key_is_gone_says_so() -> None:
    with pytest.raises(SecretKeyError, match="none of the keys"):
        unpacked(together(packed()), len(RAW), OTHER_BOX)
