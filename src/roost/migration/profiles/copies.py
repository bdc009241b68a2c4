"""Private copies of files that a browser may be writing: read, never locked, never left behind."""

import os
import shutil
import signal
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

from roost.migration.profiles.storage import ProfileError

#: Seconds between tries: a browser writes now and then, for a moment.
PAUSES: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)

Look = Callable[[], Iterable[Path]]
_Seen = dict[Path, tuple[int, int, int]]


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder that only this user can enter; it is gone afterwards, whatever happens."""
    with _ended_in_order(), tempfile.TemporaryDirectory(prefix="roost-profile-") as folder:
        yield Path(folder)


def copy_settled(look: Look, source: Path, target: Path) -> None:
    """Copy the files that `look` names below `source` as they were at one moment.

    It copies again when they changed meanwhile; ProfileError when they never stand still or
    can't be read.
    """
    for pause in (0.0, *PAUSES):
        time.sleep(pause)
        if _copied(look, source, target):
            return
    message = f"{source} changes all the time. Close the browser, or the app's tab, and try again."
    raise ProfileError(message)


def unreadable(place: Path, error: OSError) -> ProfileError:
    """Say that a place can't be read, and what helps."""
    message = f"{error.filename or place} cannot be read: {error.strerror or error}."
    if isinstance(error, PermissionError):
        message += "\nClose the browser, or run this as the user whose profile it is."
    return ProfileError(message)


def _copied(look: Look, source: Path, target: Path) -> bool:
    """Copy once; whether nothing changed meanwhile."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(mode=0o700)
    try:
        before = _seen(look)
        for path in before:
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        return _seen(look) == before
    except FileNotFoundError:
        return False
    except OSError as error:
        raise unreadable(source, error) from error


def _seen(look: Look) -> _Seen:
    seen: _Seen = {}
    for path in look():
        found = path.stat()
        # A pipe or a socket would be waited for without end.
        if stat.S_ISREG(found.st_mode):
            seen[path] = (found.st_ino, found.st_size, found.st_mtime_ns)
    return seen


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Let a polite end be an exception here, so that what has to be removed is."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    numbers = [signal.SIGTERM] + ([signal.SIGHUP] if os.name == "posix" else [])
    before = [(number, signal.signal(number, end)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
