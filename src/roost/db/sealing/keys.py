"""Where the keys of secrets come from: the settings, then the data directory's own file."""

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cryptography.fernet import Fernet

from roost.db.sealing.box import SecretBox, SecretKeyError

FILE_NAME = "secret.keys"
_PRIVATE = 0o600
_OTHERS = 0o077
# The embedded server's own user has to get through the data directory.
_PASSAGE = 0o711


def open_secret_box(configured: Sequence[str], data_dir: Path | None) -> SecretBox:
    """Make the box of the configured keys, newest first, and the file's after them.

    With no key at all, one is generated into the file. SecretKeyError when the keys can't be used.
    """
    stored = [] if data_dir is None else _read(data_dir / FILE_NAME)
    if not configured and not stored:
        if data_dir is None:
            message = "there is no key for secrets and no data directory: set ROOST_SECRET_KEYS"
            raise SecretKeyError(message)
        stored = _generate(data_dir / FILE_NAME)
    return SecretBox([*configured, *(key for key in stored if key not in configured)])


def _read(path: Path) -> list[str]:
    """Read one key a line, `#` begins a comment; nothing when there is no file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return []
    except OSError as error:
        message = f"{path} can't be read: {error.strerror}"
        raise SecretKeyError(message) from error
    with os.fdopen(descriptor, encoding="utf-8") as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode) or mode & _OTHERS:
            message = f"{path} must be a file that only its owner can read: chmod 600 {path}"
            raise SecretKeyError(message)
        lines = [line.strip() for line in file]
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        message = f"{path} holds no key: put the lost keys back, or remove it to have one made"
        raise SecretKeyError(message)
    return keys


def _generate(path: Path) -> list[str]:
    """Make the file with a new key; when another process is quicker, its key is taken."""
    path.parent.mkdir(mode=_PASSAGE, parents=True, exist_ok=True)
    key = Fernet.generate_key().decode()
    draft = path.with_name(f".{FILE_NAME}.{os.getpid()}.{os.urandom(8).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"# Opens the secrets in the database: keep a copy.\n{key}\n")
            file.flush()
            os.fsync(file.fileno())
        # A link appears whole or not at all, and never replaces a file that is there.
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    _sync_directory(path.parent)
    return _read(path)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
