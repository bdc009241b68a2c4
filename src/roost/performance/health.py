"""Health: every check of the database, each by itself, so that one failure hides no other."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

import asyncpg

from roost.db.pool import Database
from roost.db.statements import Statement
from roost.db.tenancy import Context
from roost.performance.checks import activity, replication, server, storage
from roost.performance.checks.kinds import Check, Finding, Status, skipped
from roost.performance.reading import as_json
from roost.web.structs import Outgoing

CHECKS: tuple[Check, ...] = (
    *activity.CHECKS, *storage.CHECKS, *replication.CHECKS, *server.CHECKS,
)  # fmt: skip
_GRAVE: Sequence[Status] = ("ok", "skipped", "warn", "critical")
_VERSION = Statement(
    "select performance.version",
    "select current_setting('server_version_num')::integer / 10000 as major",
    (),
    {},
)


class Health(Outgoing):
    """The state of the database: `status` is the gravest that was found, skipped ones apart."""

    status: Literal["ok", "warn", "critical"]
    at: datetime
    counts: dict[Status, int]
    checks: list[Finding]


async def health(database: Database) -> Health:
    """Run every check; the gravest come first."""
    version = await database.read(_VERSION, Context())
    major = int(version["major"]) if version is not None else 0
    found = [await run(database, check, major) for check in CHECKS]
    found.sort(key=lambda finding: -_GRAVE.index(finding.status))
    counts = {status: sum(each.status == status for each in found) for status in _GRAVE}
    status: Literal["ok", "warn", "critical"] = (
        "critical" if counts["critical"] else "warn" if counts["warn"] else "ok"
    )
    return Health(status=status, at=datetime.now(UTC), counts=counts, checks=found)


async def run(database: Database, check: Check, major: int) -> Finding:
    """Run one check; what the database refuses is a check that was skipped, and why."""
    sql = next((old for below, old in sorted(check.older.items()) if major < below), check.sql)
    statement = as_json(check.name, sql)
    try:
        row = await database.read(statement, Context())
    except asyncpg.PostgresError as error:
        return check.refused(error) or skipped(
            check.name, f"The database would not say: {error.args[0]}"
        )
    assert row is not None  # noqa: S101 -- an aggregate has a row
    return check.judge(json.loads(row["body"]))
