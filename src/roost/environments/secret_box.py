"""Encryption of secrets at rest: Fernet, with as many keys as are needed to read old ones."""

import base64
import binascii
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

SHORTEST_KEY = 16
"""Characters that a key which is no Fernet key must have at least."""
_KEY_BYTES = 32
# The same words must give the same key on every machine, so the salt can't be random.
_SALT = b"roost secret key"


class SecretKeyError(ValueError):
    """The keys can't be used, or none of them opens a secret; the message says what to do."""


class SecretBox:
    """Seals and opens secrets. `keys` are newest first: the first seals, every one opens."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            message = "there is no key for secrets: set ROOST_SECRET_KEYS"
            raise SecretKeyError(message)
        self._fernet = MultiFernet([Fernet(_fernet_key(key)) for key in keys])

    def __repr__(self) -> str:
        """Show nothing of the keys."""
        return "SecretBox(…)"

    def seal(self, value: str) -> bytes:
        """Encrypt a value with the newest key."""
        return self._fernet.encrypt(value.encode())

    def seal_bytes(self, content: bytes) -> bytes:
        """Encrypt bytes with the newest key; a third larger afterwards."""
        return self._fernet.encrypt(content)

    def open(self, ciphertext: bytes) -> str:
        """Decrypt; SecretKeyError when no key fits, or the text was tampered with."""
        return self.open_bytes(ciphertext).decode()

    def open_bytes(self, ciphertext: bytes) -> bytes:
        """Decrypt bytes; SecretKeyError as for `open`."""
        try:
            return self._fernet.decrypt(ciphertext)
        except InvalidToken as error:
            raise SecretKeyError(_NO_KEY) from error

    def rotate(self, ciphertext: bytes) -> bytes:
        """Encrypt anew with the newest key; SecretKeyError as for `open`."""
        try:
            return self._fernet.rotate(ciphertext)
        except InvalidToken as error:
            raise SecretKeyError(_NO_KEY) from error


_NO_KEY = (
    "none of the keys opens this secret: put the key it was sealed with back, last in "
    "ROOST_SECRET_KEYS or in secret.keys, or set the secret anew"
)


def _fernet_key(key: str) -> bytes:
    """Take a Fernet key as it is; derive one, slowly, from other words."""
    try:
        if len(base64.b64decode(key, altchars=b"-_", validate=True)) == _KEY_BYTES:
            return key.encode()
    except (binascii.Error, ValueError):
        pass
    if len(key) < SHORTEST_KEY:
        message = (
            f"a key in ROOST_SECRET_KEYS has only {len(key)} characters: use {SHORTEST_KEY} or "
            "more, best a Fernet key (32 random bytes in URL-safe Base64)"
        )
        raise SecretKeyError(message)
    kdf = Scrypt(salt=_SALT, length=_KEY_BYTES, n=2**14, r=8, p=1)
    return base64.urlsafe_b64encode(kdf.derive(key.encode()))
