"""The user the server runs as. PostgreSQL refuses to run as root, so root steps down for it."""

import contextlib
import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from roost.db.embedded.errors import EmbeddedError
from roost.db.embedded.locations import PRIVATE

# `postgres` where the system's packages made it, else the user every system has.
CANDIDATES = ("postgres", "nobody")


@dataclass(frozen=True)
class ServerUser:
    """An account: numeric ids and, for messages, its name."""

    uid: int
    gid: int
    name: str


def server_user(home: Path) -> ServerUser:
    """Return the user the server of `home` runs as.

    The owner of an existing home; for a new one ourselves, or as root the first of CANDIDATES.
    Raises EmbeddedError when the home belongs to somebody we cannot become.
    """
    try:
        found = home.lstat()
    except FileNotFoundError:
        return _account(os.geteuid(), os.getegid()) if os.geteuid() else _unprivileged()
    if not stat.S_ISDIR(found.st_mode):
        msg = f"{home} is not a directory. Remove it, or use another data directory."
        raise EmbeddedError(msg)
    if os.geteuid() not in (0, found.st_uid):
        owner = _account(found.st_uid, found.st_gid).name
        msg = (
            f"{home} belongs to the user {owner}. Run Roost as that user, or give the directory "
            f"to {_account(os.geteuid(), os.getegid()).name} with chown -R."
        )
        raise EmbeddedError(msg)
    if found.st_uid == 0:
        msg = (
            f"{home} belongs to root, and PostgreSQL does not run as root. Stop Roost and run: "
            f"chown -R {_unprivileged().name} {home}"
        )
        raise EmbeddedError(msg)
    return _account(found.st_uid, found.st_gid)


def _account(uid: int, gid: int) -> ServerUser:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return ServerUser(uid, gid, str(uid))
    return ServerUser(uid, entry.pw_gid, entry.pw_name)


def _unprivileged() -> ServerUser:
    for name in CANDIDATES:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return ServerUser(entry.pw_uid, entry.pw_gid, name)
    msg = (
        f"PostgreSQL does not run as root, and this system has no user {' or '.join(CANDIDATES)} "
        f"to run it. Run Roost as an ordinary user, or create the user postgres."
    )
    raise EmbeddedError(msg)


def create_home(home: Path, user: ServerUser) -> None:
    """Create the server's home directory for its user. An existing one is left as it is."""
    try:
        home.mkdir(mode=PRIVATE)
    except FileExistsError:
        return
    # By descriptor: nobody can put a link in its place between the two steps.
    fd = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.geteuid() == 0 and os.fstat(fd).st_uid == 0:
            os.fchown(fd, user.uid, user.gid)
    finally:
        os.close(fd)


def check_reachable(home: Path, user: ServerUser) -> None:
    """Raise EmbeddedError naming the directory that keeps the server's user from its home."""
    with acting_as(user):
        for directory in (*reversed(home.parents), home):
            if os.access(directory, os.X_OK, effective_ids=True):
                continue
            mode = stat.S_IMODE(directory.stat().st_mode)
            msg = (
                f"Root's PostgreSQL runs as the user {user.name}, who cannot pass {directory} "
                f"(mode {mode:04o}) to reach {home}. Use a data directory that every user can "
                f"pass to, such as /var/lib/roost, or run Roost as an ordinary user, or run: "
                f"chmod o+x {directory}"
            )
            raise EmbeddedError(msg)


@contextlib.contextmanager
def acting_as(user: ServerUser) -> Iterator[None]:
    """Take the user's rights for a moment. Only for a process with a single thread."""
    if os.geteuid() != 0:
        yield
        return
    groups = os.getgroups()
    _set_groups(user)
    os.setegid(user.gid)
    os.seteuid(user.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def step_down(user: ServerUser) -> None:
    """Become the user for good; nothing to do unless we are root."""
    if os.geteuid() != 0:
        return
    _set_groups(user)
    os.setresgid(user.gid, user.gid, user.gid)
    os.setresuid(user.uid, user.uid, user.uid)


def _set_groups(user: ServerUser) -> None:
    if user.name.isdigit():
        os.setgroups([user.gid])
    else:
        os.initgroups(user.name, user.gid)
