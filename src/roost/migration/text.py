"""Text as PostgreSQL can hold it, and what must not be shown of it."""

import re
from collections.abc import Sequence
from typing import Final

from roost.migration.octets import Octets, parts

Pattern = tuple[bytes, re.Pattern[bytes]]
"""The mark without which a text need not be searched, and what to search for."""
REPLACEMENT: Final = "\ufffd"

# PostgreSQL refuses NUL in text and jsonb; UTF-8 has no lone surrogates.
_UNSAFE: Final = re.compile("[\x00\ud800-\udfff]")

# The characters that cp1252 shows for the bytes 0x80 to 0xbf (the five it lacks as C1 controls).
_TAIL: Final = (
    "\u0081\u008d\u008f\u0090\u009d\u20ac\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160"
    "\u2039\u0152\u017d\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153"
    "\u017e\u0178\u00a0-\u00bf"
)
_MOJIBAKE: Final = re.compile(
    f"[\u00c2-\u00df][{_TAIL}]|[\u00e0-\u00ef][{_TAIL}]{{2}}|[\u00f0-\u00f4][{_TAIL}]{{3}}"
)
# The first byte of U+00C0 to U+00FF: one byte is found many times faster than two.
_LETTERS: Final = b"\xc3"
_MOJIBAKE_LEADS: Final = (b"\xc3\x82", b"\xc3\x83", b"\xc3\xa2", b"\xc3\xb0", b"\xc3\xaf")

# By what a secret begins with. Wider than the issuers' own patterns: hiding too much costs
# nothing. Each starts with its literal mark, which makes the search fast.
_PATTERNS: Final = {
    **{f"{mark}_": rf"{mark}_[A-Za-z0-9_-]{{12,}}" for mark in ("ghp", "gho", "ghu", "ghs", "ghr")},
    "github_pat_": r"github_pat_[A-Za-z0-9_-]{12,}",
    "glpat-": r"glpat-[A-Za-z0-9_-]{12,}",
    "npm_": r"npm_[A-Za-z0-9_-]{24,}",
    "hf_": r"hf_(?<![A-Za-z0-9]hf_)[A-Za-z0-9_-]{24,}",
    "xox": r"xox[abeprs]-[A-Za-z0-9_-]{12,}",
    "AKIA": r"AKIA[A-Z0-9]{12,}",
    "AIza": r"AIza[A-Za-z0-9_-]{24,}",
    "sk-": r"sk-(?<![A-Za-z0-9]sk-)[A-Za-z0-9_-]{16,}",
    "sk_": r"sk_(?<![A-Za-z0-9]sk_)[A-Za-z0-9_-]{16,}",
    "earer ": r"earer (?<=[Bb]earer )[A-Za-z0-9._~+/-]{12,}=*",
    # Only from the beginning of a run of letters, or a long run would be read from each "eyJ".
    "eyJ": r"eyJ(?<![A-Za-z0-9_-]eyJ)[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
    "://": r"""://[^\s/:@"]{0,64}:[^\s/@"]{1,256}@""",
    "assword=": r"""assword=[^\s;&"'$<{(]{3,256}""",
    "AccountKey=": r"AccountKey=[A-Za-z0-9+/=]{12,}",
    "-----BEGIN ": r"-----BEGIN [A-Z ]{0,24}PRIVATE KEY-----[^-]{1,10000}",
}
_SECRET: Final = re.compile("|".join(f"(?:{pattern})" for pattern in _PATTERNS.values()))
# Looked for in whole dumps, where each mark costs a pass: the common ones only.
_LOOKED_FOR: Final = ("github_pat_", "sk-", "sk_", "earer ", "eyJ", "-----BEGIN ")
EVERY_PATTERN: Final[tuple[Pattern, ...]] = tuple(
    (mark.encode(), re.compile(pattern.encode())) for mark, pattern in _PATTERNS.items()
)
_MARKED: Final = tuple(each for each in EVERY_PATTERN if each[0].decode() in _LOOKED_FOR)
# GitHub's five marks in one pass: their third letters made equal.
_GITHUB_LETTERS: Final = bytes.maketrans(b"ousr", b"pppp")
_GITHUB: Final = tuple(
    each for each in EVERY_PATTERN if len(each[0]) == len("ghp_") and each[0].startswith(b"gh")
)
_LONGEST_MARK: Final = max(len(mark) for mark, _ in (*_MARKED, *_GITHUB))


def safe(text: str) -> tuple[str, int]:
    """`text` with every NUL and lone surrogate as U+FFFD, and how many there were."""
    if text.isascii() and "\x00" not in text:
        return text, 0
    return _UNSAFE.subn(REPLACEMENT, text)


def is_safe(text: str) -> bool:
    """Whether PostgreSQL's text can hold `text` as it is."""
    return _UNSAFE.search(text) is None


def may_be_mojibake(raw: Octets) -> bool:
    """Whether the UTF-8 text `raw` is worth a call of `is_mojibake`; cheap."""
    return any(
        _LETTERS in part and any(lead in part for lead in _MOJIBAKE_LEADS) for part in parts(raw, 1)
    )


def is_mojibake(text: str) -> bool:
    """Whether `text` looks like UTF-8 that somebody read as cp1252."""
    for match in _MOJIBAKE.finditer(text):
        octets = b"".join(
            char.encode("cp1252") if char not in "\x81\x8d\x8f\x90\x9d" else char.encode("latin-1")
            for char in match.group()
        )
        try:
            octets.decode("utf-8")
        except UnicodeDecodeError:
            continue
        return True
    return False


def secret_patterns(raw: Octets) -> list[Pattern]:
    """Those marks and patterns of secrets whose mark is in `raw`; for `secrets_in`."""
    wanted = dict(_MARKED)
    found: list[Pattern] = []
    github = False
    for part in parts(raw, _LONGEST_MARK - 1):
        here = [each for each in wanted if each in part]
        found.extend((mark, wanted.pop(mark)) for mark in here)
        if not github and b"ghp_" in part.translate(_GITHUB_LETTERS):
            github = True
            found.extend(_GITHUB)
    return found


def secrets_in(raw: bytes, patterns: Sequence[Pattern] = EVERY_PATTERN) -> list[str]:
    """How what looks like credentials in `raw` begins, for reports: the first of each pattern."""
    matches = (pattern.search(raw) for mark, pattern in patterns if mark in raw)
    return [f"{match.group()[:3].decode()}[redacted]" for match in matches if match is not None]


def holds_secret(text: str) -> bool:
    """Whether the text holds something that looks like a credential."""
    return any(mark in text for mark in _PATTERNS) and _SECRET.search(text) is not None


def redact(text: str) -> str:
    """`text` for a report or a log: credentials keep their first three letters only."""
    return _SECRET.sub(lambda match: f"{match.group()[:3]}[redacted]", text)


def excerpt(raw: bytes, limit: int = 120) -> str:
    """The beginning of `raw` for a report: safe, redacted, at most `limit` characters."""
    text = raw[: limit * 8].decode("utf-8", "replace").replace("\x00", REPLACEMENT)
    text = redact(text)
    return text if len(text) <= limit else f"{text[: limit - 1]}\u2026"
