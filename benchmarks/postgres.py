"""PostgreSQL for a benchmark: Roost's embedded server, its programs, and pgbench."""

import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import Served
from benchmarks.processes import BenchError
from roost.db.embedded import EmbeddedServer, Endpoint, find_binaries


@dataclass(frozen=True)
class Postgres:
    """A running server: where it listens, and its postmaster."""

    endpoint: Endpoint
    pid: int

    def environment(self, database: str, user: str = "postgres") -> dict[str, str]:
        """Give the variables by which libpq and node-postgres find a database."""
        return {
            "PGHOST": str(self.endpoint.socket_dir),
            "PGPORT": str(self.endpoint.port),
            "PGUSER": user,
            "PGDATABASE": database,
        }

    def psql(self, database: str, sql: str) -> str:
        """Run SQL as the superuser; the unaligned output. Stops at the first error."""
        program = find_binaries(None).tool("psql")
        run = subprocess.run(
            [program, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"],
            env=self.environment(database),
            input=sql,
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode != 0:
            msg = f"psql: {run.stderr}"
            raise BenchError(msg)
        return run.stdout


@dataclass(frozen=True)
class PgBench:
    """A statement sent by pgbench, prepared, over `clients` connections: what the database can."""

    postgres: Postgres
    database: str
    user: str
    script: str
    clients: int

    def __call__(self, seconds: float) -> Served:
        """Run it for so long."""
        with tempfile.NamedTemporaryFile("w", suffix=".sql", encoding="utf-8") as script:
            script.write(self.script)
            script.flush()
            run = subprocess.run(
                [
                    find_binaries(None).tool("pgbench"),
                    *("--no-vacuum", "--protocol=prepared", f"--client={self.clients}", "--jobs=2"),
                    *(f"--time={round(seconds)}", f"--file={script.name}"),
                ],
                env=self.postgres.environment(self.database, self.user),
                capture_output=True,
                text=True,
                check=False,
            )
        processed = re.search(r"actually processed: (\d+)", run.stdout)
        rate = re.search(r"tps = ([\d.]+)", run.stdout)
        if run.returncode != 0 or processed is None or rate is None:
            msg = f"pgbench: {run.stdout}{run.stderr}"
            raise BenchError(msg)
        # The rate leaves out the time to connect, so the seconds do, too.
        return Served(int(processed[1]), int(processed[1]) / float(rate[1]))


@contextmanager
def embedded(data_dir: Path) -> Iterator[Postgres]:
    """Run Roost's embedded server of a data directory, with Roost's settings."""
    with EmbeddedServer(data_dir) as endpoint:
        yield attached(data_dir, endpoint)


def attached(data_dir: Path, endpoint: Endpoint) -> Postgres:
    """Join a running embedded server with its postmaster's pid."""
    lines = (data_dir / "postgres" / "data" / "postmaster.pid").read_text(encoding="utf-8")
    return Postgres(endpoint, int(lines.splitlines()[0]))


@contextmanager
def scratch() -> Iterator[Path]:
    """Make a temporary directory that PostgreSQL's unprivileged user can pass through."""
    with tempfile.TemporaryDirectory(prefix="roost-bench-") as name:
        directory = Path(name)
        directory.chmod(0o711)
        yield directory
