"""Secrets that stand for a user: access tokens, session ids, log-in links.

Each has at least 190 random bits, so the database keeps a plain SHA-256 and finds it by index:
there is nothing to guess, and nothing to compare in constant time.
"""

import re
import secrets
import zlib
from hashlib import sha256

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
TOKEN_PREFIX = "roost_"  # noqa: S105 -- what secret scanners look for, no secret
_RANDOM = 32
_CHECKSUM = 6
_TOKEN = re.compile(rf"{TOKEN_PREFIX}[0-9A-Za-z]{{{_RANDOM + _CHECKSUM}}}")
_OPAQUE = re.compile(r"[0-9A-Za-z_-]{43}")
HINT = 4
"""Characters of a token's end that lists show."""


def new_access_token() -> str:
    """Make an access token: prefix, 32 random characters, and the CRC-32 of those in six."""
    body = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
    return f"{TOKEN_PREFIX}{body}{_checksum(body)}"


def is_access_token(text: str) -> bool:
    """Tell a token from a typo, without asking the database."""
    if not _TOKEN.fullmatch(text):
        return False
    body = text[len(TOKEN_PREFIX) : -_CHECKSUM]
    return text.endswith(_checksum(body))


def new_opaque_secret() -> str:
    """Make the secret of a session or log-in link: 32 random bytes, fit for URLs and cookies."""
    return secrets.token_urlsafe(32)


def is_opaque_secret(text: str) -> bool:
    """Whether the text has the form of a session's or link's secret."""
    return _OPAQUE.fullmatch(text) is not None


def digest(secret: str) -> bytes:
    """Give what is stored of a secret."""
    return sha256(secret.encode()).digest()


def subject_digest(provider: str, subject: str) -> bytes:
    """Give what an identity is found by, once somebody has proved to be that subject."""
    return digest(f"{provider}\n{subject}")


def hint(token: str) -> str:
    """Give the end of a token, by which its owner knows it again."""
    return token[-HINT:]


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode())
    digits = ""
    for _ in range(_CHECKSUM):
        number, place = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[place] + digits
    return digits
