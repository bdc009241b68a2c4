"""Advisory locks that the kernel releases when their holder dies."""

import fcntl
import os
from pathlib import Path

from roost.db.embedded.errors import EmbeddedError


def open_lock(path: Path) -> int:
    """Open a lock file, creating it, and return a descriptor that no child process inherits.

    A symbolic link is refused: the directory may belong to a less privileged user.
    """
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        try:
            return os.open(path, flags)
        except FileNotFoundError:
            return _create(path, flags)
    except OSError as error:
        msg = (
            f"The lock file {path} cannot be opened: {error.strerror}. Run Roost as the user who "
            f"owns the data directory, or remove what stands in the file's place."
        )
        raise EmbeddedError(msg) from error


def _create(path: Path, flags: int) -> int:
    try:
        fd = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return os.open(path, flags)
    if os.geteuid() == 0:
        # Root may be a visitor in a data directory of somebody who comes back later.
        owner = path.parent.stat()
        os.fchown(fd, owner.st_uid, owner.st_gid)
    return fd


def try_shared(fd: int) -> bool:
    """Take the lock together with others; False when somebody has it alone."""
    return _try(fd, fcntl.LOCK_SH)


def try_exclusive(fd: int) -> bool:
    """Take the lock alone; False when anybody else has it, and then a shared hold is lost."""
    return _try(fd, fcntl.LOCK_EX)


def wait_exclusive(fd: int) -> None:
    """Block until everybody else has let go."""
    fcntl.flock(fd, fcntl.LOCK_EX)


def _try(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def release(fd: int) -> None:
    """Let go of the lock and keep the descriptor."""
    fcntl.flock(fd, fcntl.LOCK_UN)
