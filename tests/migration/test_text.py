"""Text for PostgreSQL, and what reports may show."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.migration import text


@given(st.text(st.characters(exclude_categories=())))
def test_safe_text_differs_only_where_postgresql_would_refuse(given_text: str) -> None:
    made, replaced = text.safe(given_text)
    assert len(made) == len(given_text)
    changed = [old for old, new in zip(given_text, made, strict=True) if old != new]
    assert len(changed) == replaced
    assert all(old == "\x00" or "\ud800" <= old <= "\udfff" for old in changed)
    assert "\x00" not in made
    made.encode()


FAKES = [
    "ghp_" + "a1" * 9,
    "gho_" + "a1" * 9,
    "github_pat_" + "a1" * 9,
    "sk-" + "a1" * 9,
    "sk-" + "proj-" + "a1" * 9,
    "Bearer " + "a1" * 9,
    "bearer " + "a1" * 9,
    "xoxb-" + "a1" * 9,
    "AKIA" + "A1" * 8,
    "eyJ" + "a" * 12 + "." + "b" * 12 + "." + "c" * 5,
    "glpat-" + "a1" * 9,
]


@pytest.mark.parametrize("fake", FAKES)
def test_a_credential_never_survives_redaction(fake: str) -> None:
    shown = text.redact(f'push with "{fake}" please')
    assert fake[8:] not in shown
    assert shown.startswith("push with ")
    assert shown.endswith(" please")
    assert fake[8:] not in text.excerpt(f"x {fake}".encode())


@pytest.mark.parametrize("fake", [*FAKES[:7], FAKES[9]])
def test_a_credential_in_an_item_is_found(fake: str) -> None:
    raw = f'{{"title":"use {fake}"}}'.encode()
    assert text.secrets_in(raw, text.secret_patterns(raw))


@pytest.mark.parametrize(
    "plain", ["task-store-backup-of-yesterday", "disk-partition-layout-changed", "a plain title"]
)
def test_ordinary_words_are_no_credentials(plain: str) -> None:
    raw = plain.encode()
    assert not text.secrets_in(raw, text.secret_patterns(raw))
    assert text.redact(plain) == plain


def test_a_password_in_an_address_is_hidden() -> None:
    shown = text.redact("postgres://me:" + "hunter-two" + "@db.example.test/x")
    assert "hunter" not in shown


@pytest.mark.parametrize("damaged", ["âœ… done", "cafÃ©", "â€™", "ðŸŽ‰"])
def test_utf8_read_as_cp1252_is_recognised(damaged: str) -> None:
    assert text.may_be_mojibake(damaged.encode())
    assert text.is_mojibake(damaged)


@pytest.mark.parametrize("sound", ["✅ done", "café", "Ångström, âge, São Paulo", "naïve – œuvre"])
def test_sound_text_is_not_called_damaged(sound: str) -> None:
    assert not text.is_mojibake(sound)
