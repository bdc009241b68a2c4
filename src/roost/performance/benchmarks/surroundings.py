"""Where a benchmark was made: what makes figures of another place others."""

import os
import platform
import sys
from typing import Any, Final

import msgspec

from roost import __version__
from roost.db.pool import Database
from roost.db.statements import Statement
from roost.db.tenancy import Context
from roost.performance.benchmarks.scratch import Sizes

_SETTINGS: Final = (
    "effective_cache_size",
    "effective_io_concurrency",
    "fsync",
    "full_page_writes",
    "huge_pages",
    "jit",
    "max_connections",
    "max_parallel_workers_per_gather",
    "max_wal_size",
    "plan_cache_mode",
    "random_page_cost",
    "shared_buffers",
    "synchronous_commit",
    "track_io_timing",
    "wal_compression",
    "wal_level",
    "work_mem",
)
_READ: Final = Statement(
    "select pg_settings",
    # One that a role may not see, or a version does not have, is left out.
    "select current_setting('server_version') as version,"
    " (select coalesce(json_object_agg(s.name, current_setting(s.name)), '{}')::text"
    " from pg_settings s where s.name = any($1::text[])) as settings",
    ("names",),
    {},
)


async def surroundings(database: Database, sizes: Sizes, *, where: str) -> dict[str, str]:
    """Give facts by name; `where` says what kind of process measures, `cpus` are its machine's."""
    row: Any = await database.read(_READ, Context(), names=list(_SETTINGS))
    return {
        "postgresql": row["version"],
        "roost": __version__,
        "python": platform.python_version(),
        "system": f"{sys.platform} {platform.machine()}",
        "cpus": str(os.cpu_count() or 0),
        "measuredBy": where,
        "rows": str(sizes.rows),
        "tenants": str(sizes.tenants),
        **msgspec.json.decode(row["settings"]),
    }
