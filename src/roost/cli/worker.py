"""A worker process: takes over what `roost serve` has prepared."""

import ctypes
import json
import multiprocessing
import os
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from roost.cli.settling import Settling
from roost.db.dsn import DatabaseConfig

HANDOVER = "ROOST_HANDOVER"
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Handover:
    """The database as it was prepared, the data directory, how doctor and owner connect.

    `alone` says that there is one worker only.
    """

    pool: DatabaseConfig
    data_dir: Path
    alone: bool
    doctor: DatabaseConfig | None = None
    owner: DatabaseConfig | None = None

    factory: ClassVar = "roost.cli.worker:application"

    def as_json(self) -> dict[str, Any]:
        """Write it for the worker's environment."""
        return {
            "pool": asdict(self.pool),
            "data_dir": str(self.data_dir),
            "alone": self.alone,
            "doctor": self.doctor and asdict(self.doctor),
            "owner": self.owner and asdict(self.owner),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Read what `as_json` wrote."""
        doctor, owner = (
            document[name] and DatabaseConfig(**document[name]) for name in ("doctor", "owner")
        )
        pool, place = DatabaseConfig(**document["pool"]), Path(document["data_dir"])
        return cls(pool, place, document["alone"], doctor, owner)


def application() -> Any:  # noqa: ANN401 -- an ASGI application
    """Make this worker's application; uvicorn calls it in each worker."""
    from roost.app import Application  # noqa: PLC0415 -- loads everything, in the worker only
    from roost.settings import Settings  # noqa: PLC0415 -- likewise
    from roost.telemetry import configure_logs  # noqa: PLC0415 -- likewise

    handover = Handover.from_json(json.loads(os.environ[HANDOVER]))
    end_with_parent()
    access = configure_logs(os.environ)
    settings = Settings.from_environment(os.environ)
    app = Application(
        settings,
        handover.pool,
        handover.data_dir,
        doctor=handover.doctor,
        owner=handover.owner,
        access=access,
        alone=handover.alone,
    )
    return Settling(app)


def end_with_parent() -> None:
    """See that no worker goes on without the process that holds the database.

    Only where the kernel can tell (Linux), and only in a worker of its own.
    """
    if multiprocessing.parent_process() is not None and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
