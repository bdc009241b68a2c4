"""Encryption at rest, with as many keys as are needed to read what older ones sealed.

Fernet for what stands alone; AES-GCM, bound to its place, for what belongs to one row.
"""

import base64
import binascii
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

SHORTEST_KEY = 16
"""Characters that a key which is no Fernet key must have at least."""
_KEY_BYTES = 32
# The same words must give the same key on every machine, so the salt can't be random.
_SALT = b"roost secret key"

# What is stored of a value that is sealed for a place:
# version, id of the key, nonce, and the ciphertext with its tag.
_VERSION = b"\x01"
_ID_BYTES = 8
_NONCE_BYTES = 12
_TAG_BYTES = 16
_HEAD_BYTES = len(_VERSION) + _ID_BYTES
_BODY_AT = _HEAD_BYTES + _NONCE_BYTES
# A label for each use: what is derived for one says nothing of the others, nor of the key itself.
_CIPHER_LABEL = b"roost sealed for a row: AES-256-GCM key"
_ID_LABEL = b"roost sealed for a row: key id"


class SecretKeyError(ValueError):
    """The keys can't be used, or none of them opens a secret; the message says what to do."""


class SecretBox:
    """Seals and opens secrets. `keys` are newest first: the first seals, every one opens."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            message = "there is no key for secrets: set ROOST_SECRET_KEYS"
            raise SecretKeyError(message)
        fernet_keys = [_fernet_key(key) for key in keys]
        self._fernet = MultiFernet([Fernet(key) for key in fernet_keys])
        raw_keys = [base64.urlsafe_b64decode(key) for key in fernet_keys]
        self._ciphers = {
            _derived(raw, _ID_LABEL, _ID_BYTES): AESGCM(_derived(raw, _CIPHER_LABEL, _KEY_BYTES))
            for raw in raw_keys
        }
        self._newest = next(iter(self._ciphers))

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

    def seal_for(self, value: str, about: str) -> bytes:
        """Encrypt a value with the newest key; it opens only for the same `about`.

        `about` names the place, best by table, column and id. It is not stored.
        """
        head = _VERSION + self._newest
        nonce = os.urandom(_NONCE_BYTES)
        cipher = self._ciphers[self._newest]
        return head + nonce + cipher.encrypt(nonce, value.encode(), head + about.encode())

    def open_for(self, ciphertext: bytes, about: str) -> str:
        """Decrypt what was sealed for `about`.

        SecretKeyError when its key is missing, it was sealed for another place, or tampered with.
        """
        head, nonce = ciphertext[:_HEAD_BYTES], ciphertext[_HEAD_BYTES:_BODY_AT]
        if len(ciphertext) < _BODY_AT + _TAG_BYTES or not head.startswith(_VERSION):
            raise SecretKeyError(_NOT_AS_SEALED)
        cipher = self._ciphers.get(head[len(_VERSION) :])
        if cipher is None:
            raise SecretKeyError(_NO_KEY)
        try:
            opened = cipher.decrypt(nonce, ciphertext[_BODY_AT:], head + about.encode())
        except InvalidTag as error:
            raise SecretKeyError(_NOT_AS_SEALED) from error
        return opened.decode()

    def rotate_for(self, ciphertext: bytes, about: str) -> bytes:
        """Encrypt anew with the newest key; SecretKeyError as for `open_for`."""
        return self.seal_for(self.open_for(ciphertext, about), about)


_NO_KEY = (
    "none of the keys opens this secret: put the key it was sealed with back, last in "
    "ROOST_SECRET_KEYS or in secret.keys, or set the secret anew"
)
_NOT_AS_SEALED = (
    "this secret is not as it was sealed, or was sealed for another place: "
    "put back what was stored, or set the secret anew"
)


def _derived(key: bytes, label: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=label).derive(key)


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
