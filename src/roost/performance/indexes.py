"""Indexes: which are of no use, which are broken, and which are missing. Nothing is changed."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from roost.db.pool import Database
from roost.performance.advice import Advice, Problem, Verdict
from roost.performance.bloat import bloated
from roost.performance.index_catalogue import FOREIGN_KEYS, INDEXES, Index, Unindexed
from roost.performance.missing import candidates, distinct, judged
from roost.web.structs import Outgoing

MIN_WINDOW_DAYS = 7
"""Days that statistics must reach back before an index that nobody uses may be called unused."""


class Indexes(Outgoing):
    """All that was found, and since when the statistics count."""

    statistics_since: datetime | None
    window_days: float
    looked_at: int
    items: list[Advice]


_LARGE_ROWS = 10_000
_SMALL_BYTES = 1024 * 1024


async def indexes(database: Database, *, min_window_days: float = MIN_WINDOW_DAYS) -> Indexes:
    """Look at every index of this database, and at the foreign keys that have none."""
    found = await INDEXES.ask(database)
    lacking = await FOREIGN_KEYS.ask(database)
    window = found[0].window_days if found else 0.0
    items = [
        *judge(found, min_window_days),
        *await bloated(database),
        *(_missing(each) for each in lacking),
        *(judged(each) for each in distinct(await candidates(database))),
    ]
    order = ("act", "watch", "insufficientData", "keep")
    items.sort(key=lambda item: (order.index(item.verdict), -item.evidence.get("bytes", 0)))
    return Indexes(
        statistics_since=found[0].since if found else None,
        window_days=round(window, 3),
        looked_at=len(found),
        items=items,
    )


def judge(found: Sequence[Index], min_window_days: float) -> Iterator[Advice]:
    """Give what is to be said of each index, the weightiest thing only."""
    for index in found:
        if index.building:
            continue
        if not index.valid:
            yield _advice(index, "invalid", "act", "It was not finished, and no query uses it.", {})
        elif twin := _twin(index, found):
            yield _superfluous(index, twin, "duplicate", f"{twin.qualified} is the same.")
        elif wider := _wider(index, found):
            reason = f"{wider.qualified} begins with the same columns."
            yield _superfluous(index, wider, "covered", reason)
        elif index.scans == 0 and _serves(index) is None:
            yield _unused(index, min_window_days)


def _serves(index: Index) -> str | None:
    """Say what needs the index besides queries."""
    if index.primary:
        return "It is the primary key."
    if index.constraint is not None:
        return f"The constraint {index.constraint} needs it."
    if index.unique:
        return "It keeps values unique."
    if index.replica_identity:
        return "It is the table's replica identity."
    if index.partition:
        return "It belongs to an index of the partitioned table."
    return None


def _twin(index: Index, found: Sequence[Index]) -> Index | None:
    """Give the index that does all that this one does, and is to be kept of the two."""
    for other in found:
        same = (
            other is not index
            and other.valid
            and other.shape == index.shape
            and other.columns == index.columns
            and set(other.includes) >= set(index.includes)
        )
        if same and (_rank(other) > _rank(index)):
            return other
    return None


def _rank(index: Index) -> tuple[bool, bool, int, int, str]:
    serves = _serves(index) is not None
    return (serves, index.unique, len(index.includes), index.scans, index.name)


def _wider(index: Index, found: Sequence[Index]) -> Index | None:
    """Give a B-tree whose first columns are all of this one's."""
    if index.access != "btree" or index.includes:
        return None
    for other in found:
        if (
            other.valid
            and other.access == "btree"
            and other.table == index.table
            and len(other.columns) > len(index.columns)
            and other.columns[: len(index.columns)] == index.columns
            and _prefix(other.shape, index.shape)
        ):
            return other
    return None


def _prefix(wide: str, narrow: str) -> bool:
    """Whether two shapes agree but for what is said of further columns."""
    first, second = wide.split("/"), narrow.split("/")
    return len(first) == len(second) and all(
        left == right or left.startswith(f"{right} ")
        for left, right in zip(first, second, strict=True)
    )


def _superfluous(index: Index, other: Index, problem: Problem, reason: str) -> Advice:
    serves = _serves(index)
    evidence = {"keeps": other.qualified, "scans": index.scans}
    if serves is not None:
        return _advice(index, problem, "keep", f"{reason} But: {serves}", evidence)
    return _advice(index, problem, "act", reason, evidence)


def _unused(index: Index, min_window_days: float) -> Advice:
    days = index.window_days
    if days < min_window_days:
        reason = (
            f"No query used it in {days:.1f} days; what runs less often than that is not seen. "
            f"Look again when statistics reach back {min_window_days:g} days."
        )
        return _advice(index, "unused", "insufficientData", reason, {})
    small = index.bytes < _SMALL_BYTES
    reason = f"No query used it in {days:.0f} days. Replicas count their own: look there too."
    return _advice(index, "unused", "watch" if small else "act", reason, {})


def _advice(
    index: Index, problem: Problem, verdict: Verdict, reason: str, evidence: dict[str, Any]
) -> Advice:
    sql = None
    if verdict in {"act", "watch"}:
        sql = f"drop index concurrently {index.qualified};"
        if problem == "invalid":
            sql = f"reindex index concurrently {index.qualified};"
    return Advice(
        problem=problem,
        verdict=verdict,
        table=index.table,
        index=index.qualified,
        columns=index.columns,
        reason=reason,
        evidence={
            "bytes": index.bytes,
            "scans": index.scans,
            "definition": index.definition,
            "windowDays": round(index.window_days, 3),
            **evidence,
        },
        sql=sql,
    )


def _missing(key: Unindexed) -> Advice:
    large = key.rows >= _LARGE_ROWS
    reason = (
        f"The foreign key {key.constraint} has no index: to delete or change a row of "
        f"{key.referenced} goes through all of {key.table}."
    )
    return Advice(
        problem="missing",
        verdict="act" if large and key.deletes else "watch",
        table=key.table,
        index=None,
        columns=key.columns,
        reason=reason,
        evidence={"constraint": key.constraint, "rows": key.rows, "deletes": key.deletes},
        sql=f"create index concurrently on {key.table} ({', '.join(key.columns)});",
    )
