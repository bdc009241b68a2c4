"""Where everything of one embedded server lies."""

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from roost.db.embedded.errors import EmbeddedError

PORT = 5432
# sockaddr_un holds 108 bytes, one of them the closing NUL.
SOCKET_PATH_LIMIT = 107
PRIVATE = 0o700
# Others may pass through, not list: the server's unprivileged user has to reach its cluster.
PASSAGE = 0o711


@dataclass(frozen=True)
class Layout:
    """The files of the embedded server that belongs to one data directory.

    `data_dir` itself, the locks and the kept binaries belong to whoever runs Roost; `home` and
    all below it to the user the server runs as, which differs only when root runs Roost.
    """

    data_dir: Path

    @property
    def home(self) -> Path:
        """Everything the server's user owns."""
        return self.data_dir / "postgres"

    @property
    def cluster(self) -> Path:
        """PGDATA."""
        return self.home / "data"

    @property
    def log(self) -> Path:
        """What the server and its keeper say."""
        return self.home / "server.log"

    @property
    def clients_lock(self) -> Path:
        """Held shared by every process that uses the server."""
        return self.data_dir / "postgres.clients"

    @property
    def keeper_lock(self) -> Path:
        """Held by the one keeper for as long as it lives."""
        return self.data_dir / "postgres.keeper"

    @property
    def kept_binaries(self) -> Path:
        """Copies of server binaries, one directory for each major version."""
        return self.data_dir / "postgres-binaries"

    @property
    def socket_dir(self) -> Path:
        """The private directory of the server's socket, always the same for one data directory.

        Inside `home`, where every namespace that sees the data directory sees the socket too;
        under /tmp when that path is too long for a socket.
        """
        inside = self.home / "run"
        if len(os.fsencode(socket_path(inside))) <= SOCKET_PATH_LIMIT:
            return inside
        digest = hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:16]
        return Path("/tmp") / f"roost-{digest}"  # noqa: S108 - ownership is checked on every use

    @property
    def socket(self) -> Path:
        """The server's socket."""
        return socket_path(self.socket_dir)


def socket_path(directory: Path) -> Path:
    """Return the name PostgreSQL gives its socket in a directory."""
    return directory / f".s.PGSQL.{PORT}"


def default_data_dir() -> Path:
    """Return Roost's data directory when none is set.

    The platform's place for a user's data. Root gets /var/lib/roost: the server runs as an
    unprivileged user, which could not reach into root's private home.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/roost")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "roost"
    base = Path(os.environ.get("XDG_DATA_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".local" / "share") / "roost"


def prepare_data_dir(path: Path) -> Path:
    """Create the data directory if it is missing and return its real path.

    Directories created here are 0700; root's are 0711, so that the server's unprivileged user
    can pass. Those that exist are never changed. Raises EmbeddedError.
    """
    mode = PASSAGE if os.geteuid() == 0 else PRIVATE
    missing = [p for p in (path, *path.parents) if not p.exists()]
    try:
        for directory in reversed(missing):
            _create(directory, mode)
        real = path.resolve(strict=True)
    except OSError as error:
        msg = (
            f"The data directory {path} cannot be created: {error.strerror}. Name one this user "
            f"can write, or create it first."
        )
        raise EmbeddedError(msg) from error
    if not real.is_dir():
        msg = f"The data directory {path} is a file. Name a directory instead."
        raise EmbeddedError(msg)
    return real


def _create(directory: Path, mode: int) -> None:
    try:
        directory.mkdir(mode=PRIVATE)
    except FileExistsError:
        return
    # By descriptor: whoever owns the parent cannot make us change something else.
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchmod(fd, mode)
    finally:
        os.close(fd)
