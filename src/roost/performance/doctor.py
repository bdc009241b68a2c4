"""The doctor of one worker: the connections it asks with, what it watches, what it answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from roost import errors
from roost.db.dsn import DatabaseConfig
from roost.db.pool import Database
from roost.db.sealing import SecretBox
from roost.errors import ProblemError
from roost.performance.alerts.addresses import Policy
from roost.performance.alerts.metrics import Source
from roost.performance.alerts.routes import AlertRoutes
from roost.performance.alerts.sending import Sender
from roost.performance.alerts.working import Alerts
from roost.performance.applying import Applier
from roost.performance.benchmarks.routes import BenchmarkRoutes
from roost.performance.benchmarks.service import Benchmarks
from roost.performance.change_routes import ChangeRoutes
from roost.performance.event_routes import EventRoutes
from roost.performance.indexes import MIN_WINDOW_DAYS
from roost.performance.routes import PerformanceRoutes
from roost.performance.slow import SLOW_MS, WATCH_MS
from roost.performance.watching import Pace, Watch
from roost.settings import Settings
from roost.telemetry import Telemetry
from roost.telemetry.metrics import Snapshot
from roost.web.endpoint import Call, Endpoint
from roost.web.kit import Kit
from roost.web.reply import Reply

_NOT_AN_OPERATOR = (
    "the database doctor is for the workspaces that ROOST_OPERATOR_WORKSPACES names: it is about "
    "the whole server"
)


@dataclass(frozen=True, slots=True)
class Care:
    """How the doctor works: `keep_days` of 0 means that it looks at nothing by itself."""

    keep_days: int = 0
    slow_ms: float = SLOW_MS
    index_window_days: float = MIN_WINDOW_DAYS
    alert_networks: Sequence[str] = ()
    production: bool = False
    data_dir: Path | None = None
    operators: frozenset[UUID] = frozenset()
    """Where the database's disk is, if it is on this machine."""

    @classmethod
    def of(cls, settings: Settings, data_dir: Path) -> "Care":
        """Read it from the settings."""
        return cls(
            settings.performance_days,
            settings.slow_query_ms,
            settings.index_window_days,
            settings.alert_networks,
            settings.production,
            # With a server elsewhere, this disk says nothing of its own.
            data_dir if settings.database_url is None else None,
            frozenset(settings.operator_workspaces),
        )

    @property
    def kept_apart_ns(self) -> int:
        """Nanoseconds from which on a statement is kept apart."""
        return round(min(WATCH_MS, self.slow_ms) * 1e6)


class Doctor:
    """Asks with connections of its own where it has them, else with the pool's."""

    def __init__(  # noqa: PLR0913 -- what it asks with, and how it is to work
        self,
        pool: Database,
        secrets: SecretBox,
        own: Database | None = None,
        *,
        care: Care | None = None,
        telemetry: Telemetry | None = None,
        owner: DatabaseConfig | None = None,
    ) -> None:
        """Without `owner`, how the tables' owner connects, no index can be changed."""
        self.database = own or pool
        self.pool = pool
        self.care = care or Care()
        self.applier = Applier(self.database, owner)
        self.benchmarks = Benchmarks(self.database)
        self._telemetry = telemetry
        policy = Policy.of(self.care.alert_networks, production=self.care.production)
        self._sender = Sender(secrets, policy)

    def watch(self) -> Watch | None:
        """Give the work that is to be done beside requests, if there is any."""
        if not self.care.keep_days or self._telemetry is None or not self._telemetry.enabled:
            return None
        care, totals = self.care, self._telemetry.totals
        source = Source(self.database, totals, care.data_dir, care.slow_ms)
        return Watch(
            self.database,
            self.pool,
            self._telemetry.tally,
            keep_days=care.keep_days,
            pace=Pace(slow_ms=care.slow_ms),
            beside=Alerts(source, self._sender).works(),
        )

    def endpoints(self, kit: Kit) -> list[Endpoint]:
        """Give every route with its contract."""
        totals: Callable[[], Snapshot] = dict
        if self._telemetry is not None:
            totals = self._telemetry.totals
        # What a workspace's own people did is for every workspace.
        events = EventRoutes(self.database).endpoints()
        return [*events, *(self._for_operators(each) for each in self._of_the_server(kit, totals))]

    def _for_operators(self, endpoint: Endpoint) -> Endpoint:
        """Let in those of the operators' workspaces only, if it is said which those are."""
        operators = self.care.operators
        if not operators:
            return endpoint

        async def handle(call: Call) -> Reply:
            if call.principal.workspace_id not in operators:
                raise ProblemError(errors.FORBIDDEN, _NOT_AN_OPERATOR)
            return await endpoint.handle(call)

        return replace(endpoint, handle=handle)

    def _of_the_server(self, kit: Kit, totals: Callable[[], Snapshot]) -> list[Endpoint]:
        care = self.care
        return [
            *PerformanceRoutes(
                kit,
                self.database,
                totals=totals,
                slow_ms=care.slow_ms,
                index_window_days=care.index_window_days,
            ).endpoints(),
            *ChangeRoutes(kit, self.database, self.applier, care.index_window_days).endpoints(),
            *BenchmarkRoutes(kit, self.benchmarks).endpoints(),
            *AlertRoutes(kit, self._sender, self.database).endpoints(),
        ]

    async def close(self) -> None:
        """Stop what is under way here; what it had made is removed."""
        await self.benchmarks.close()
        await self.applier.close()
