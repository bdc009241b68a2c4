"""Secrets: their form, and telling a typo from a token."""

from hypothesis import given
from hypothesis import strategies as st

from roost.identity.access import credentials

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def test_new_tokens_are_recognised_and_differ() -> None:
    tokens = {credentials.new_access_token() for _ in range(200)}
    assert len(tokens) == 200
    for token in tokens:
        assert token.startswith("roost_")
        assert len(token) == 6 + 32 + 6
        assert credentials.is_access_token(token)
        assert credentials.hint(token) == token[-4:]


@given(st.integers(6, 43), st.sampled_from(_ALPHABET))
def test_one_wrong_character_is_a_typo(position: int, character: str) -> None:
    token = credentials.new_access_token()
    wrong = token[:position] + character + token[position + 1 :]
    assert credentials.is_access_token(wrong) == (wrong == token)


@given(st.text())
def test_no_text_is_taken_for_a_secret_by_chance(text: str) -> None:
    assert not credentials.is_access_token(text)
    assert not credentials.is_access_token("roost_" + text)


def test_a_checksum_is_the_crc_of_the_random_part() -> None:
    body = "0" * 32
    token = f"roost_{body}{_base62(body)}"
    assert credentials.is_access_token(token)


def _base62(body: str) -> str:
    remainder = 0xFFFFFFFF
    for byte in body.encode():
        remainder ^= byte
        for _ in range(8):
            remainder = (remainder >> 1) ^ (0xEDB88320 if remainder & 1 else 0)
    number, digits = remainder ^ 0xFFFFFFFF, ""
    while number:
        number, place = divmod(number, 62)
        digits = _ALPHABET[place] + digits
    return digits.rjust(6, "0")


def test_opaque_secrets_fit_cookies_and_urls() -> None:
    secrets = {credentials.new_opaque_secret() for _ in range(200)}
    assert len(secrets) == 200
    assert all(credentials.is_opaque_secret(secret) for secret in secrets)
    assert not credentials.is_opaque_secret("a" * 42)
    assert not credentials.is_opaque_secret("a" * 42 + ";")
