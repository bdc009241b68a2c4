"""The whole report: all that the doctor can find out, with what it takes a while to find out."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from roost.db.pool import Database
from roost.db.statements import Statement
from roost.db.tenancy import Context
from roost.performance import bloat, missing, what_if
from roost.performance.advice import Advice
from roost.performance.checks.kinds import Finding
from roost.performance.health import health
from roost.performance.indexes import indexes
from roost.performance.queries import Query, queries
from roost.performance.ranges import SECONDS
from roost.performance.reading import Question
from roost.performance.relations import TableFacts, tables
from roost.performance.slow import SLOW_MS, SlowQuery, slow_queries
from roost.performance.trends import QueryTrend, trends
from roost.performance.what_if import WhatIf
from roost.web.structs import Outgoing

_DAY: Final = "24h"
_TRIED: Final = 10


class Tried(Advice):
    """An index that the workload lacks, and what would come of it."""

    what_if: WhatIf


class Report(Outgoing):
    """What was found. `summary` says the most urgent first, in sentences."""

    summary: list[str]
    health: list[Finding]
    indexes: list[Advice]
    missing: list[Tried]
    bloat_measured: bool
    tables: list[TableFacts]
    queries: list[Query]
    slow_queries: list[SlowQuery]
    degrading: list[QueryTrend]


class StoredReport(Outgoing):
    """A report that was made."""

    id: UUID
    at: datetime
    requested_by: UUID | None
    report: Report


class ReportHead(Outgoing):
    """A report, by its summary."""

    id: UUID
    at: datetime
    requested_by: UUID | None
    summary: list[str]


_STORE: Final = Statement(
    "insert performance.report",
    """
    insert into performance.report (id, requested_by, document) values ($1, $2, $3)
    returning at
    """,
    ("id", "user", "document"),
    {},
)
_ONE: Final = Question(
    "report",
    StoredReport,
    """
    select id, at, requested_by as "requestedBy", document as report
    from performance.report where id = $1
    """,
    ("id",),
)
_ALL: Final = Question(
    "reports",
    ReportHead,
    """
    select id, at, requested_by as "requestedBy", document -> 'summary' as summary
    from performance.report order by at desc, id desc limit $1
    """,
    ("most",),
)


async def analyze(
    doctor: Database,
    pool: Database,
    user_id: UUID,
    *,
    slow_ms: float = SLOW_MS,
    min_window_days: float,
) -> StoredReport:
    """Look at everything, try missing indexes out, measure bloat; the report is stored."""
    report = await _report(doctor, pool, slow_ms, min_window_days)
    report_id = uuid7()
    document = msgspec.json.encode(report).decode()
    row: Any = await doctor.change(_STORE, Context(), id=report_id, user=user_id, document=document)
    return StoredReport(id=report_id, at=row["at"], requested_by=user_id, report=report)


async def stored(doctor: Database, report_id: UUID) -> StoredReport | None:
    """Give a report that was made; None when there is none, or it is too old to be kept."""
    return await _ONE.one(doctor, id=report_id)


async def all_stored(doctor: Database, most: int) -> list[ReportHead]:
    """List the reports, newest first."""
    return await _ALL.ask(doctor, most=most)


async def _report(
    doctor: Database, pool: Database, slow_ms: float, min_window_days: float
) -> Report:
    found = await health(doctor)
    advised = await indexes(doctor, min_window_days=min_window_days)
    measured = await bloat.measured(doctor)
    rest = [each for each in advised.items if not _is_looked_at_closely(each, measured)]
    tried = await _tried(doctor, pool)
    lately = await slow_queries(doctor, SECONDS[_DAY], level="slow", slow_ms=slow_ms, most=20)
    report = Report(
        summary=[],
        health=found.checks,
        indexes=[*rest, *(measured or [])],
        missing=tried,
        bloat_measured=measured is not None,
        tables=(await tables(doctor))[:20],
        queries=(await queries(doctor, "24h", most=20)).items,
        slow_queries=lately.items,
        degrading=[
            each
            for each in (await trends(doctor, _DAY, SECONDS[_DAY])).trends
            if each.direction == "degrading"
        ],
    )
    report.summary = _summary(report)
    return report


def _is_looked_at_closely(advice: Advice, measured: list[Advice] | None) -> bool:
    by_workload = advice.problem == "missing" and "statements" in advice.evidence
    return by_workload or (advice.problem == "bloated" and measured is not None)


async def _tried(doctor: Database, pool: Database) -> list[Tried]:
    candidates = missing.distinct(await missing.candidates(doctor))[:_TRIED]
    outcomes = await what_if.try_out(pool, candidates) if candidates else []
    return [
        Tried(**msgspec.structs.asdict(missing.judged(each)), what_if=outcome)
        for each, outcome in zip(candidates, outcomes, strict=True)
    ]


def _summary(report: Report) -> list[str]:
    said = [
        f"{status}: {each.name}: {each.detail}"
        for status in ("critical", "warn")
        for each in report.health
        if each.status == status
    ]
    said += [
        f"act: {each.problem} index on {each.table}: {each.reason}"
        for each in (*report.indexes, *report.missing)
        if each.verdict == "act"
    ]
    if report.slow_queries:
        said.append(f"{len(report.slow_queries)} slow statements in the last day")
    said += [
        f"degrading: {each.name or each.statement}: {each.before_ms} to {each.after_ms} ms"
        for each in report.degrading
    ]
    return said or ["Nothing that needs to be done."]
