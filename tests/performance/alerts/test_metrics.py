"""What rules can watch, read from a real database."""

from pathlib import Path
from typing import Any, get_args

import pytest

from roost.performance.alerts import metrics
from roost.performance.alerts.metrics import METRICS, Source
from roost.performance.alerts.model import MetricName
from roost.performance.watching import Watch
from roost.telemetry.options import TelemetryOptions
from roost.telemetry.setup import Telemetry
from tests.performance.alerts.conftest import Stage

ALL = get_args(MetricName)


async def value(stage: Stage, name: Any, **given: Any) -> float | None:
    return (await metrics.read(Source(stage.doctor, **given), [name]))[name]


def test_the_catalogue_has_every_name_once() -> None:
    assert tuple(each.name for each in METRICS) == ALL


async def test_on_a_new_server_each_is_a_figure_or_unknown(stage: Stage) -> None:
    found = await metrics.read(Source(stage.doctor), ALL)
    unknown = {name for name, figure in found.items() if figure is None}
    assert unknown == {
        "requestP99Ms", "poolSaturation", "poolWaiting", "deadlocks", "databaseBytes",
        "diskFreeShare", "tickLagSeconds", "cacheHitRatio",
    }  # fmt: skip
    assert found["errorRate"] == found["replicationLagSeconds"] == 0.0
    assert 0 < (found["connectionShare"] or 0) < 1


async def test_what_a_worker_writes_down_is_read(stage: Stage, tmp_path: Path) -> None:
    telemetry = Telemetry(TelemetryOptions.from_environment({}, "1"), service_version="1")
    watch = Watch(stage.doctor, stage.house.database, telemetry.tally, keep_days=15)
    for number in range(100):
        telemetry.tally.add("GET /x", "", 5_000_000, failed=number < 10)
    await watch.sample()
    found = await metrics.read(Source(stage.doctor, disk=tmp_path), ALL)
    assert found["errorRate"] == pytest.approx(0.1)
    assert found["requestP99Ms"] == pytest.approx(5.0, rel=0.2)
    assert found["poolSaturation"] == found["poolWaiting"] == 0.0
    assert (found["databaseBytes"] or 0) > 1_000_000
    assert 0 < (found["diskFreeShare"] or 0) < 1


async def test_counts_are_told_by_what_they_have_grown(stage: Stage) -> None:
    for name, figures in (
        ("database.deadlocks", (100, 103, 1, 2)),  # set to zero in between
        ("database.blocks_hit", (0, 9_000, 9_000, 9_000)),
        ("database.blocks_read", (50, 50, 1_050, 1_050)),
    ):
        for minutes, figure in enumerate(reversed(figures)):
            await stage.admin.execute(
                "insert into performance.gauge values (now() - make_interval(mins => $1), $2, $3)",
                minutes,
                name,
                float(figure),
            )
    assert await value(stage, "deadlocks") == 4.0
    assert await value(stage, "cacheHitRatio") == pytest.approx(0.9)


async def test_a_statement_that_began_long_ago_and_still_runs_is_slow_now(stage: Stage) -> None:
    await stage.admin.execute(
        "insert into performance.slow (started_at, duration_ms, ended, pid, seen_by)"
        " values (now() - interval '1 hour', 3590000, false, 1, '{database}'),"
        " (now() - interval '1 hour', 5000, true, 2, '{driver}'),"
        " (now() - interval '1 minute', 500, true, 3, '{driver}')"
    )
    assert await value(stage, "slowQueries") == 1.0
    assert await value(stage, "slowQueries", slow_ms=400.0) == 2.0


async def test_what_the_database_refuses_is_unknown(stage: Stage) -> None:
    await stage.admin.execute("revoke all on performance.slow from roost_doctor")
    assert await value(stage, "slowQueries") is None


async def test_what_may_not_be_seen_is_unknown_and_not_well(stage: Stage) -> None:
    # The pool's role, which asks where there is no doctor's, sees its own connections only.
    source = Source(stage.house.database)
    found = await metrics.read(
        source, ["oldestTransactionSeconds", "replicationLagSeconds", "connectionShare"]
    )
    assert found["oldestTransactionSeconds"] is found["replicationLagSeconds"] is None
    assert (found["connectionShare"] or 0) > 0


async def test_every_rule_that_is_built_in_can_be_evaluated(stage: Stage) -> None:
    await stage.look(15)
    rules = await stage.call("GET", "/rules")
    assert len(rules) == 13
    assert all(each["builtIn"] and each["evaluatedAt"] for each in rules)
