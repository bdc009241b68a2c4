"""Bringing a cluster that an older major version made to the version of the programs."""

import contextlib
import os
import shlex
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from roost.db.embedded import cluster, processes
from roost.db.embedded.binaries import Binaries
from roost.db.embedded.cluster import SUPERUSER, Say
from roost.db.embedded.errors import EmbeddedError
from roost.db.embedded.locations import PORT, Layout

_OLD_NEEDS = ("postgres", "pg_ctl", "pg_controldata", "pg_resetwal")
_NEW_NEEDS = ("pg_upgrade", "pg_dump", "pg_dumpall", "pg_restore", "psql", "vacuumdb", "pg_ctl")
# Recovery of the old cluster may be long, and is no failure.
_PATIENCE_SECONDS = 7 * 24 * 3600


def upgrade(
    layout: Layout,
    binaries: Binaries,
    places: Iterable[Path],
    settings: Mapping[str, str],
    say: Say,
) -> None:
    """Upgrade the cluster with pg_upgrade and keep the old one beside it.

    Until everything has worked the old cluster is only read, so that a failure changes nothing.
    Raises EmbeddedError with what to do.
    """
    made_by = cluster.version_of(layout.cluster)
    if made_by is None or made_by == binaries.major:
        return
    old = _old_binaries(layout, binaries, made_by, places)
    say(f"upgrading the database from PostgreSQL {made_by} to {binaries.major}")
    try:
        checksums = _prepare_old(layout, old)
        fresh = cluster.fresh_directory(layout)
        cluster.run_initdb(fresh, binaries, checksums=checksums, durable=True)
        cluster.write_settings(fresh, binaries, settings)
        processes.run(_pg_upgrade(layout, old, binaries, fresh), cwd=layout.home)
        if not checksums:
            processes.run([binaries.tool("pg_checksums"), "--enable", fresh], cwd=layout.home)
        _carry_altered_settings(layout.cluster, fresh, binaries, say)
    except EmbeddedError as error:
        msg = (
            f"The database of PostgreSQL {made_by} in {layout.cluster} could not be upgraded to "
            f"{binaries.major} and is unchanged. To go on with {made_by}, set "
            f"ROOST_POSTGRES_BIN={old.bin_dir}. The reason:\n{error}"
        )
        raise EmbeddedError(msg) from error
    fresh.rename(_upgraded(layout))
    settle_interrupted(layout, say)


def settle_interrupted(layout: Layout, say: Say) -> None:
    """Put an upgraded cluster in the old one's place, also when that was interrupted before."""
    upgraded = _upgraded(layout)
    new_major = cluster.version_of(upgraded)
    if new_major is None:
        return
    old_major = cluster.version_of(layout.cluster)
    if old_major is not None:
        backup = layout.home / f"data-{old_major}"
        if backup.exists():
            backup = layout.home / f"data-{old_major}-{time.time_ns()}"
        layout.cluster.rename(backup)
        say(f"the database of PostgreSQL {old_major} is kept in {backup}; remove it when you like")
    upgraded.rename(layout.cluster)
    _sync_directory(layout.home)


def collect_statistics(layout: Layout, binaries: Binaries) -> None:
    """Have the planner's statistics collected, which an upgrade may not carry over."""
    command: list[str | Path] = [
        binaries.tool("vacuumdb"),
        *("--all", "--analyze-only", "--quiet", f"--username={SUPERUSER}"),
        *(f"--host={layout.socket_dir}", f"--port={PORT}"),
    ]
    processes.spawn(command, layout.log, processes.GENTLE_END)


def _upgraded(layout: Layout) -> Path:
    return layout.home / "data.upgraded"


def _old_binaries(
    layout: Layout, binaries: Binaries, made_by: int, places: Iterable[Path]
) -> Binaries:
    if made_by > binaries.major:
        msg = (
            f"{layout.cluster} was made by PostgreSQL {made_by}, and {binaries.bin_dir} has only "
            f"{binaries.major}, which cannot read it. Install PostgreSQL {made_by} again, or set "
            f"ROOST_POSTGRES_BIN to its bin directory."
        )
        raise EmbeddedError(msg)
    missing = [name for name in _NEW_NEEDS if not os.access(binaries.tool(name), os.X_OK)]
    if missing:
        msg = (
            f"{layout.cluster} was made by PostgreSQL {made_by} and has to be upgraded to "
            f"{binaries.major}, but {binaries.bin_dir} lacks {', '.join(missing)}. Install the "
            f"complete PostgreSQL {binaries.major}, or set ROOST_POSTGRES_BIN to {made_by}'s."
        )
        raise EmbeddedError(msg)
    for place in places:
        candidate = Binaries(place)
        if all(os.access(candidate.tool(name), os.X_OK) for name in _OLD_NEEDS):
            with contextlib.suppress(EmbeddedError):
                if candidate.major == made_by:
                    return candidate
    msg = (
        f"{layout.cluster} was made by PostgreSQL {made_by}, the programs in {binaries.bin_dir} "
        f"are {binaries.major}, and an upgrade needs {made_by}'s programs too. Install them (on "
        f"Debian and Ubuntu: apt-get install postgresql-{made_by}) and start Roost again, or set "
        f"ROOST_POSTGRES_BIN to {made_by}'s bin directory to go on without an upgrade."
    )
    raise EmbeddedError(msg)


def _prepare_old(layout: Layout, old: Binaries) -> bool:
    """Bring the old cluster to a clean shutdown; return whether it has checksums."""
    controldata = [old.tool("pg_controldata"), layout.cluster]
    state = _control(processes.run(controldata, cwd=layout.home))
    if state.get("Database cluster state") != "shut down":
        waiting = ("-w", "-t", str(_PATIENCE_SECONDS))
        pg_ctl: list[str | Path] = [old.tool("pg_ctl"), "-D", layout.cluster, *waiting]
        socket_dir = shlex.quote(str(layout.socket_dir))
        options = f"-k {socket_dir} -p {PORT} -c listen_addresses=''"
        processes.run([*pg_ctl, "-l", layout.log, "-o", options, "start"], cwd=layout.home)
        processes.run([*pg_ctl, "-m", "fast", "stop"], cwd=layout.home)
    # What is left of an earlier crash would look like a running server.
    (layout.cluster / "postmaster.pid").unlink(missing_ok=True)
    return state.get("Data page checksum version", "0") != "0"


def _control(output: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in output.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _pg_upgrade(layout: Layout, old: Binaries, new: Binaries, fresh: Path) -> list[str | Path]:
    return [
        new.tool("pg_upgrade"),
        f"--old-bindir={old.bin_dir}",
        f"--new-bindir={new.bin_dir}",
        f"--old-datadir={layout.cluster}",
        f"--new-datadir={fresh}",
        f"--username={SUPERUSER}",
        f"--socketdir={layout.socket_dir}",
    ]


def _carry_altered_settings(old: Path, fresh: Path, binaries: Binaries, say: Say) -> None:
    """Take over what ALTER SYSTEM set, unless the new version does not accept it."""
    source, target = old / "postgresql.auto.conf", fresh / "postgresql.auto.conf"
    before = target.read_bytes()
    target.write_bytes(source.read_bytes())
    try:
        processes.run([binaries.tool("postgres"), "-D", fresh, "-C", "port"], cwd=fresh.parent)
    except EmbeddedError as error:
        target.write_bytes(before)
        say(f"settings made with ALTER SYSTEM were not carried over from {source}: {error}")


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
