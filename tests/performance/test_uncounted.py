"""Servers that count no statements: what is said of them, and that the rest goes on."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import asyncpg
import pytest

from roost.db.embedded import EmbeddedServer, Endpoint
from roost.db.pool import Database
from roost.db.roles import DOCTOR_ROLE, OWNER_ROLE
from roost.performance.counting import UNLOADED
from roost.performance.watching import Pace, Watch
from roost.telemetry.options import TelemetryOptions
from roost.telemetry.setup import Telemetry
from tests.performance.conftest import Ask, Connect
from tests.performance.test_activity import check
from tests.support.postgres import FAST_SETTINGS, reachable_directory
from tests.support.schema import as_role, make_schema, pool_config
from tests.support.server import run


@pytest.fixture(scope="module")
def unloaded() -> Iterator[Endpoint]:
    """A server that does not load pg_stat_statements at its start, though it has it."""
    settings = FAST_SETTINGS | {"shared_preload_libraries": ""}
    with (
        reachable_directory() as directory,
        EmbeddedServer(directory / "data", settings=settings) as endpoint,
    ):
        yield endpoint


@pytest.fixture
async def fresh_roost_database(unloaded: Endpoint) -> AsyncIterator[str]:
    """Roost's schema there, with the extension made."""
    admin = await asyncpg.connect(unloaded.url())
    await admin.execute("create database uncounted")
    url = unloaded.url(database="uncounted")
    inside = await asyncpg.connect(url)
    await inside.execute("create extension pg_trgm; create extension pg_stat_statements")
    await inside.close()
    await make_schema(url)
    yield url
    await admin.execute("drop database uncounted with (force)")
    await admin.close()


@pytest.fixture
async def watch(fresh_roost_database: str) -> AsyncIterator[Watch]:
    """A worker's part of the doctor's work, by hand."""
    config = pool_config(fresh_roost_database)
    pool = await Database.connect(config)
    doctor = await Database.connect(
        replace(config, url=as_role(fresh_roost_database, DOCTOR_ROLE), max_connections=2)
    )
    telemetry = Telemetry(TelemetryOptions.from_environment({}, "1"), service_version="1")
    yield Watch(doctor, pool, telemetry.tally, keep_days=15, pace=Pace(sample=0.0))
    await doctor.close()
    await pool.close()


async def test_an_extension_that_was_not_loaded_is_told_of_wherever_it_matters(
    watch: Watch, ask: Ask
) -> None:
    await watch.sample()
    windows = [
        (await ask("queries"))["window"],
        (await ask("?range=5m"))["queries"]["window"],
    ]
    for window in windows:
        assert "not loaded when the server started" in window["reason"]
        assert "shared_preload_libraries" in window["reason"]
    health = await ask("health")
    found = check(health, "statementStatistics")
    assert found["status"] == "warn"
    assert found["fix"] == ("Add it to shared_preload_libraries, and start the server again.")
    findings = (await ask("?range=5m"))["database"]["findings"]
    assert f"statementStatistics: {found['detail']}" in findings


async def test_what_keeps_statements_from_being_counted_is_logged_once_and_no_figure_is_lost(
    watch: Watch, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "roost.performance"):
        for _ in range(3):
            await watch.sample()
    told = [each for each in caplog.messages if "statements are not counted" in each]
    assert len(told) == 1
    assert "shared_preload_libraries" in told[0]
    admin = await connect()
    assert (
        await admin.fetchval("select count(*) from performance.gauge where name = 'database.bytes'")
        == 3
    )


async def test_without_the_extension_the_check_is_skipped_and_says_how_to_have_it(
    ask: Ask, connect: Connect
) -> None:
    admin = await connect()
    await admin.execute("drop extension pg_stat_statements")
    found = check(await ask("health"), "statementStatistics")
    assert found["status"] == "skipped"
    assert "create extension pg_stat_statements" in found["fix"]
    assert "is not there" in (await ask("queries"))["window"]["reason"]


async def test_the_command_says_it_too(fresh_roost_database: str, unloaded: Endpoint) -> None:
    del unloaded
    done = await asyncio.to_thread(
        run, "doctor", "--json", "--database-url", as_role(fresh_roost_database, OWNER_ROLE)
    )
    checks = {each["name"]: each for each in json.loads(done.stdout)["checks"]}
    found = checks["extension pg_stat_statements"]
    assert (found["status"], found["detail"]) == ("warning", UNLOADED.reason)
