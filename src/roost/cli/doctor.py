"""`roost doctor`: look at everything Roost needs, and say what to do."""

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec
from rich.console import Console
from rich.table import Table

from roost.cli.context import (
    EXPECTED,
    AsJson,
    CommandError,
    DatabaseUrl,
    DataDir,
    answer,
    describe,
    opened,
    read_settings,
)
from roost.cli.unread import unread_variables
from roost.db import roles, schema
from roost.db.embedded import find_binaries
from roost.db.sealing import open_secret_box
from roost.db.target import Target
from roost.errors import ProblemError
from roost.identity.providers import Providers
from roost.performance import counting
from roost.performance.extensions import MISSED
from roost.redis import RedisAwayError, connect
from roost.settings import Settings, SettingsError
from roost.telemetry import Telemetry, TelemetrySettingError
from roost.web.probes import LEAST_DISK
from roost.web.rate import Limits

EXTENSIONS = {**MISSED, "uuid-ossp": "nothing: Roost makes its ids itself"}
"""What is missed without each extension."""
_REDIS_SECONDS = 2.0


class Finding(msgspec.Struct):
    """One thing that was looked at; `fix` says what to do when it is not well."""

    name: str
    status: Literal["ok", "warning", "failed"]
    detail: str
    fix: str = ""


def doctor(
    *, as_json: AsJson = False, data_dir: DataDir = None, database_url: DatabaseUrl = None
) -> None:
    """Check settings, database, roles, schema, extensions and disk, and say what to do."""
    settings, place = read_settings(data_dir, database_url)
    findings = [
        *_settings(settings, place),
        *_redis(settings),
        *_providers(settings),
        *_database(settings, place),
    ]
    failed = [finding for finding in findings if finding.status == "failed"]
    if as_json:
        document = {"ok": not failed, "checks": msgspec.to_builtins(findings)}
        answer(document, "", as_json=True)
    else:
        _print(findings)
    if failed:
        message = f"{len(failed)} of {len(findings)} checks failed"
        raise CommandError(message)


def _print(findings: list[Finding]) -> None:
    table = Table("", "Check", "Found", "What to do")
    marks = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "failed": "[red]failed[/]"}
    for finding in findings:
        table.add_row(marks[finding.status], finding.name, finding.detail, finding.fix)
    Console().print(table)


def _settings(settings: Settings, place: Path) -> Iterator[Finding]:
    yield Finding("mode", "ok", settings.mode)
    yield _disk(place)
    if settings.database_url is None:
        binaries = find_binaries(settings.postgres_bin)
        yield Finding("PostgreSQL's programs", "ok", str(binaries.bin_dir))
    try:
        open_secret_box(settings.secret_keys, place)
    except EXPECTED as error:
        yield Finding("secret keys", "failed", describe(error), "Mend ROOST_SECRET_KEYS.")
    else:
        source = (
            "ROOST_SECRET_KEYS" if settings.secret_keys else "secret.keys in the data directory"
        )
        yield Finding("secret keys", "ok", source)
    yield _telemetry()
    if settings.public_url is not None and not settings.trusted_proxies:
        fix = "Set ROOST_TRUSTED_PROXIES to the proxy's address, 127.0.0.1 on this machine."
        detail = "ROOST_PUBLIC_URL is set, and no proxy trusted: all clients share one limit"
        yield Finding("trusted proxies", "warning", detail, fix)
    for name, fix in unread_variables(os.environ, settings).items():
        yield Finding("environment", "warning", f"nothing reads {name}", fix)


def _disk(place: Path) -> Finding:
    there = next(parent for parent in (place, *place.parents) if parent.exists())
    free = shutil.disk_usage(there).free
    detail = f"{free // 2**20} MiB free in {there}"
    if free < LEAST_DISK:
        return Finding("disk", "failed", detail, "Make room.")
    return Finding("disk", "ok", detail)


def _telemetry() -> Finding:

    try:
        Telemetry.from_environment(os.environ, service_version="doctor").shutdown(0.5)
    except TelemetrySettingError as error:
        return Finding("telemetry", "failed", str(error), "Mend the OTEL_* variable.")
    return Finding("telemetry", "ok", "the OTEL_* variables can be read")


def _redis(settings: Settings) -> Iterator[Finding]:
    if settings.redis_url is None:
        return
    try:
        asyncio.run(_try_limits(settings.redis_url))
    except RedisAwayError as error:
        detail = f"{error}; each worker counts and keeps for itself"
        yield Finding("Redis", "failed", detail, "Start it, or mend ROOST_REDIS_URL.")
    except SettingsError as error:
        yield Finding("Redis", "failed", str(error), "Mend ROOST_REDIS_URL.")
    else:
        yield Finding("Redis", "ok", "it answers: workers share rate limits and what they keep")


def _providers(settings: Settings) -> Iterator[Finding]:
    for client in Providers(settings.providers):
        name = f"log-in by {client.provider.name}"
        if client.issuer is None:
            yield Finding(name, "ok", "its endpoints are set; they are asked at a log-in only")
            continue
        try:
            asyncio.run(client.issuer.document())
        except ProblemError as error:
            fix = f"See that {client.issuer.address} can be reached and is the issuer's own name."
            yield Finding(name, "failed", error.detail, fix)
        else:
            yield Finding(name, "ok", f"{client.issuer.address} answers")
    local = settings.public_url is None
    if settings.providers and local:
        fix = "Set ROOST_PUBLIC_URL, unless people use Roost on this machine only."
        detail = "providers send people back to this machine's own address only"
        yield Finding("public address", "warning", detail, fix)


async def _try_limits(redis_url: str) -> None:
    redis = connect(redis_url, time_limit=_REDIS_SECONDS)
    try:
        await Limits(redis).check()
    finally:
        if redis is not None:
            await redis.close()


def _database(settings: Settings, place: Path) -> list[Finding]:
    try:
        with opened(settings, place) as target:
            return asyncio.run(_ask(target))
    except EXPECTED as error:
        return [Finding("database", "failed", describe(error), "See the message.")]


async def _ask(target: Target) -> list[Finding]:
    connection = await target.connect_as_owner()
    try:
        version = await connection.fetchval("show server_version")
        findings = [Finding("database", "ok", f"PostgreSQL {version}")]
        findings.append(await _schema(connection))
        findings.append(await _role(connection, target))
        findings += await _extensions(connection)
    finally:
        await connection.close()
    return findings


async def _schema(connection: Any) -> Finding:  # noqa: ANN401 -- asyncpg's connection
    state = await schema.schema_state(connection)
    if not state.known:
        return Finding(
            "schema", "failed", f"revision {state.current} is unknown", "Install the newer Roost."
        )
    if not state.upgraded:
        detail = f"revision {state.current}, newest is {state.newest}"
        return Finding("schema", "warning", detail, "Run `roost db upgrade`.")
    return Finding("schema", "ok", f"revision {state.current}")


async def _role(connection: Any, target: Target) -> Finding:  # noqa: ANN401 -- asyncpg's connection
    facts = await roles.role_facts(connection)
    made = await connection.fetchval("select to_regrole($1) is not null", roles.APP_ROLE)
    if not made and not target.embedded:
        fix = f"Run: create role {roles.APP_ROLE} nologin; grant {roles.APP_ROLE} to {facts.name};"
        return Finding("roles", "warning", f"the role {roles.APP_ROLE} is missing", fix)
    return Finding("roles", "ok", f"owner {facts.name}, pool {roles.APP_ROLE}")


async def _extensions(connection: Any) -> list[Finding]:  # noqa: ANN401 -- asyncpg's connection
    rows = await connection.fetch(
        "select name, default_version, installed_version from pg_available_extensions"
        " where name = any($1)",
        list(EXTENSIONS),
    )
    known = {row["name"]: row for row in rows}
    uncounted = await _uncounted(connection)
    return [
        Finding(f"extension {name}", "warning", uncounted.reason, uncounted.fix)
        if name == "pg_stat_statements" and uncounted is not None
        else _extension(name, known.get(name))
        for name in EXTENSIONS
    ]


async def _uncounted(connection: Any) -> counting.Obstacle | None:  # noqa: ANN401 -- asyncpg's connection
    """Say why the statistics that are set up don't count; None when they do, or are not there."""
    try:
        found = counting.obstacle_in(await connection.fetchrow(counting.PROBE))
    except counting.REFUSALS as error:
        found = counting.obstacle_of(error)
    return None if found is counting.ABSENT else found


def _extension(name: str, row: Any) -> Finding:  # noqa: ANN401 -- a record
    if row is not None and row["installed_version"]:
        return Finding(f"extension {name}", "ok", row["installed_version"])
    without = f"Without it: {EXTENSIONS[name]}."
    if row is not None:
        fix = f'Optional: create extension "{name}";'
        return Finding(f"extension {name}", "warning", f"available, not created. {without}", fix)
    return Finding(f"extension {name}", "warning", f"not available. {without}", "Optional.")
