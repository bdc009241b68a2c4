"""What a benchmark is asked, and what it tells."""

from datetime import datetime
from typing import Annotated, Final, Literal, get_args
from uuid import UUID

from msgspec import Meta, field

from roost.web.structs import Incoming, Outgoing

Suite = Literal["crud", "lists", "search", "aggregation", "concurrent", "sync", "migration"]
SUITES: Final[tuple[Suite, ...]] = get_args(Suite)
State = Literal["queued", "running", "completed", "cancelled", "failed"]
LIVE: Final = frozenset({"queued", "running"})
Verdict = Literal["regression", "improvement", "same", "notEnough"]
LATEST: Final = "latest"
# A dollar would let a line break through.
_BASELINE: Final = (
    r"^(latest|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})"
    r"(?![\s\S])"
)


class Order(Incoming):
    """What to measure: `repetitions` rounds of each suite, the first of which does not count.

    `max_seconds` is the time that all of it may take. `baseline` is what it is held against: the
    id of a run, or `latest` for the baseline there is.
    """

    suites: Annotated[list[Suite], Meta(min_length=1, max_length=len(SUITES))] = field(
        default_factory=lambda: list(SUITES)
    )
    repetitions: Annotated[int, Meta(ge=3, le=20)] = 5
    max_seconds: Annotated[int, Meta(ge=5, le=600)] = 60
    name: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    baseline: (
        Annotated[
            str,
            Meta(pattern=_BASELINE, extra={"refused": "is neither `latest` nor the id of a run"}),
        ]
        | None
    ) = None


class Measure(Outgoing):
    """What one thing took, over the timed operations of all rounds.

    `figures_ms` are medians of a tenth of a round each, or single operations where a round has
    few: what comparisons are made of.
    """

    suite: Suite
    name: str
    operations: int
    ops_per_second: float
    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    round_medians_ms: list[float]
    figures_ms: list[float]


class Change(Outgoing):
    """A measure against that of the baseline: `change` of the median as a share, 0.2 is a fifth.

    `low` and `high` are the 95 % interval of it. `p_value` is of a two-sided Mann-Whitney test.
    """

    suite: Suite
    name: str
    before_ms: float
    after_ms: float
    change: float
    low: float
    high: float
    p_value: float | None
    verdict: Verdict


class Difference(Outgoing):
    """A fact of the surroundings that is not what it was."""

    name: str
    before: str | None
    after: str | None


class Comparison(Outgoing):
    """A run against a baseline; `verdict` is the gravest of its measures'."""

    baseline_id: UUID
    verdict: Verdict
    changes: list[Change]
    differences: list[Difference]


class Progress(Outgoing):
    """Rounds of suites that are done, of all there are, and the suite that is measured now."""

    done: int
    total: int
    current: str | None


class Run(Outgoing):
    """One benchmark. `is_cut` says that its time was over before all rounds were."""

    id: UUID
    name: str | None
    state: State
    suites: list[Suite]
    repetitions: int
    max_seconds: int
    is_baseline: bool
    is_cut: bool
    baseline_id: UUID | None
    progress: Progress
    error: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class RunDetail(Run):
    """One benchmark with all that it measured, and where."""

    environment: dict[str, str] = field(default_factory=dict)
    results: list[Measure] = field(default_factory=list)
    comparison: Comparison | None = None
