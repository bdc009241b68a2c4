"""What a worker is told by the process that starts it."""

import json
from pathlib import Path
from typing import Any

import pytest

import roost.app
import roost.telemetry
from roost.cli import worker
from roost.cli.worker import HANDOVER, Handover
from roost.db.dsn import DatabaseConfig


@pytest.mark.parametrize("alone", [True, False])
def test_a_worker_is_the_only_one_where_it_is_told_so(
    monkeypatch: pytest.MonkeyPatch, *, alone: bool
) -> None:
    told: dict[str, Any] = {}

    def application(*_: object, **options: Any) -> None:
        told.update(options)

    monkeypatch.setattr(roost.app, "Application", application)
    monkeypatch.setattr(roost.telemetry, "configure_logs", lambda _: None)
    handover = Handover(DatabaseConfig("postgresql://roost.test/roost"), Path("/data"), alone)
    monkeypatch.setenv(HANDOVER, json.dumps(handover.as_json()))
    worker.application()
    assert told["alone"] is alone
    assert Handover.from_json(handover.as_json()) == handover
