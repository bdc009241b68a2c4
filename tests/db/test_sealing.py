"""What is sealed opens with its key, unchanged and in its place, and in no other way."""

import base64

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from roost.db.sealing import SecretBox, SecretKeyError

WORDS = "some-words-that-are-long-enough"
#: Different keys, made once: nothing is derived slowly, so properties can try many lists.
KEYS = [Fernet.generate_key().decode() for _ in range(5)]
BOX = SecretBox(KEYS[:1])
key_lists = st.lists(st.sampled_from(KEYS), min_size=1, unique=True)


def _key() -> str:
    return Fernet.generate_key().decode()


def _key_id(sealed: bytes) -> bytes:
    return sealed[1:9]


def test_keys_of_both_kinds_seal_and_open() -> None:
    for key in (_key(), WORDS, "sixteen letters!", "пароль-из-слов-и-букв"):
        assert SecretBox([key]).open(SecretBox([key]).seal("v")) == "v"


def test_the_first_key_seals_and_all_open() -> None:
    old, new = _key(), _key()
    sealed = SecretBox([old]).seal("v")
    box = SecretBox([new, old])
    assert box.open(sealed) == "v"
    assert SecretBox([new]).open(box.seal("w")) == "w"
    assert SecretBox([new]).open(box.rotate(sealed)) == "v"


def test_a_short_key_is_refused_without_being_shown() -> None:
    with pytest.raises(SecretKeyError, match="15 characters") as caught:
        SecretBox(["fifteen-letters"])
    assert "fifteen-letters" not in str(caught.value)
    with pytest.raises(SecretKeyError, match="no key"):
        SecretBox([])


def test_a_missing_key_or_a_changed_text_is_a_clear_error() -> None:
    sealed = SecretBox([_key()]).seal("v")
    for method in (SecretBox([WORDS]).open, SecretBox([WORDS]).rotate):
        with pytest.raises(SecretKeyError, match="none of the keys opens this secret"):
            method(sealed)
    key = _key()
    changed = bytearray(SecretBox([key]).seal("v"))
    changed[40] ^= 1
    with pytest.raises(SecretKeyError):
        SecretBox([key]).open(bytes(changed))


def test_the_same_value_never_looks_the_same() -> None:
    box = SecretBox([WORDS])
    assert box.seal("v") != box.seal("v")


@given(value=st.text(), about=st.text())
def test_any_text_sealed_for_any_place_opens_there(value: str, about: str) -> None:
    assert BOX.open_for(BOX.seal_for(value, about), about) == value


@given(value=st.text(), places=st.lists(st.text(), min_size=2, max_size=2, unique=True))
def test_what_is_sealed_for_one_place_opens_in_no_other(value: str, places: list[str]) -> None:
    own, other = places
    sealed = BOX.seal_for(value, own)
    for method in (BOX.open_for, BOX.rotate_for):
        with pytest.raises(SecretKeyError, match="another place"):
            method(sealed, other)


@given(value=st.text(), about=st.text(), data=st.data())
def test_a_change_of_any_byte_is_found(value: str, about: str, data: st.DataObject) -> None:
    changed = bytearray(BOX.seal_for(value, about))
    place = data.draw(st.integers(0, len(changed) - 1))
    changed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(SecretKeyError):
        BOX.open_for(bytes(changed), about)


@given(value=st.text(), more=st.binary(min_size=1))
def test_what_is_cut_or_longer_does_not_open(value: str, more: bytes) -> None:
    sealed = BOX.seal_for(value, "a")
    for wrong in (sealed + more, more + sealed, *(sealed[:size] for size in range(len(sealed)))):
        with pytest.raises(SecretKeyError):
            BOX.open_for(wrong, "a")


@given(garbage=st.binary())
def test_bytes_that_were_never_sealed_do_not_open(garbage: bytes) -> None:
    with pytest.raises(SecretKeyError):
        BOX.open_for(garbage, "a")


@given(value=st.text(), about=st.text(), keys=key_lists, data=st.data())
def test_every_key_opens_and_the_first_seals_for_a_place(
    value: str, about: str, keys: list[str], data: st.DataObject
) -> None:
    box = SecretBox(keys)
    sealed = SecretBox([data.draw(st.sampled_from(keys))]).seal_for(value, about)
    assert box.open_for(sealed, about) == value
    rotated = box.rotate_for(sealed, about)
    newest = SecretBox(keys[:1])
    assert newest.open_for(rotated, about) == value
    assert _key_id(rotated) == _key_id(newest.seal_for(value, about))


@given(value=st.text(), keys=key_lists.filter(lambda keys: len(keys) > 1))
def test_without_its_key_nothing_sealed_for_a_place_opens(value: str, keys: list[str]) -> None:
    sealed = SecretBox(keys[:1]).seal_for(value, "a")
    others = SecretBox(keys[1:])
    for method in (others.open_for, others.rotate_for):
        with pytest.raises(SecretKeyError, match="none of the keys opens this secret"):
            method(sealed, "a")


def test_each_key_has_an_id_of_its_own_that_stays_the_same() -> None:
    ids = [[_key_id(SecretBox([key]).seal_for("v", "a")) for _ in "12"] for key in (*KEYS, WORDS)]
    assert len({first for first, _ in ids}) == len(ids)
    assert all(first == second for first, second in ids)


def test_a_key_id_put_in_place_of_another_opens_nothing() -> None:
    first, second = (SecretBox([key]).seal_for("v", "a") for key in KEYS[:2])
    with pytest.raises(SecretKeyError, match="not as it was sealed"):
        SecretBox(KEYS).open_for(first[:1] + _key_id(second) + first[9:], "a")


@given(value=st.text(), about=st.text())
def test_the_same_value_for_the_same_place_never_looks_the_same(value: str, about: str) -> None:
    assert len({BOX.seal_for(value, about) for _ in range(10)}) == 10


@given(value=st.text(min_size=9), about=st.text(min_size=9))
def test_neither_the_value_nor_its_place_shows(value: str, about: str) -> None:
    sealed = BOX.seal_for(value, about)
    assert value.encode() not in sealed
    assert about.encode() not in sealed


def test_the_two_ways_of_sealing_open_nothing_of_each_other() -> None:
    with pytest.raises(SecretKeyError):
        BOX.open_for(BOX.seal("v"), "")
    with pytest.raises(SecretKeyError):
        BOX.open(BOX.seal_for("v", ""))


def test_a_configured_key_itself_is_no_key_of_what_is_sealed_for_a_place() -> None:
    sealed = BOX.seal_for("v", "a")
    with pytest.raises(InvalidTag):
        AESGCM(base64.urlsafe_b64decode(KEYS[0])).decrypt(
            sealed[9:21], sealed[21:], sealed[:9] + b"a"
        )


def test_what_an_earlier_roost_sealed_for_a_place_still_opens() -> None:
    sealed = bytes.fromhex(
        "01d8a101eb6614ed9af9383947bcaec3dcf4388635b00f045648121bb30324d53598ae038d85ad1a85"
    )
    assert SecretBox([WORDS]).open_for(sealed, "table.column:1") == "väl"
