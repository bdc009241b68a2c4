"""Encryption at rest: the box that seals and opens, and where its keys come from."""

from roost.db.sealing.box import SecretBox, SecretKeyError
from roost.db.sealing.keys import open_secret_box

__all__ = ["SecretBox", "SecretKeyError", "open_secret_box"]
