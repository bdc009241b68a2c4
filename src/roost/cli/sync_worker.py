"""A worker process of `roost sync serve`."""

import json
import os
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

from roost.cli.settling import Settling
from roost.cli.worker import HANDOVER, end_with_parent
from roost.db.dsn import DatabaseConfig
from roost.sync.options import SyncOptions


@dataclass(frozen=True, slots=True)
class SyncHandover:
    """What each worker is told."""

    database: DatabaseConfig
    options: SyncOptions
    secret: str | None

    factory: ClassVar = "roost.cli.sync_worker:application"

    def as_json(self) -> dict[str, Any]:
        """Write it for the worker's environment."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Read what `as_json` wrote."""
        database, options = (
            DatabaseConfig(**document["database"]),
            SyncOptions(**document["options"]),
        )
        return cls(database, options, document["secret"])


def application() -> Any:  # noqa: ANN401 -- an ASGI application
    """Make this worker's application; uvicorn calls it in each worker."""
    from roost.sync.standalone import Standalone, StandaloneConfig  # noqa: PLC0415 -- in the worker only
    from roost.telemetry import configure_logs  # noqa: PLC0415 -- likewise

    handover = SyncHandover.from_json(json.loads(os.environ[HANDOVER]))
    end_with_parent()
    configure_logs(os.environ)
    config = StandaloneConfig(handover.database, handover.options, handover.secret)
    return Settling(Standalone(config))
