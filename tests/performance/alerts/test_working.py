"""What a worker does beside its requests, as it really runs."""

import asyncio
import logging

import pytest

from roost.performance.alerts import metrics
from roost.performance.alerts.metrics import Source
from roost.performance.alerts.working import Alerts
from roost.performance.watching import Watch
from roost.telemetry.metrics import Snapshot
from roost.telemetry.options import TelemetryOptions
from roost.telemetry.setup import Telemetry
from tests.performance.alerts.conftest import Stage
from tests.performance.alerts.receivers import Webhooks


async def test_workers_that_run_tell_of_trouble_by_themselves(
    stage: Stage, receiver: Webhooks
) -> None:
    await stage.only(forSeconds=0)
    await stage.webhook(receiver)
    await stage.slow(5)
    telemetry = Telemetry(TelemetryOptions.from_environment({}, "1"), service_version="1")
    arrived = asyncio.Event()
    receiver.on_request = arrived.set
    workers = [
        asyncio.create_task(
            Watch(
                stage.doctor,
                stage.house.database,
                telemetry.tally,
                keep_days=15,
                beside=Alerts(Source(stage.doctor), stage.sender).works(),
            ).run()
        )
        for _ in range(3)
    ]
    async with asyncio.timeout(15):
        await arrived.wait()
    await asyncio.sleep(0.5)
    for worker in workers:
        worker.cancel()
    await asyncio.wait(workers)
    assert len(receiver.sent) == 1
    assert len((await stage.call("GET", ""))["items"]) == 1


async def test_it_is_one_worker_s_turn_at_a_time(stage: Stage) -> None:
    rule = await stage.only(forSeconds=0)
    workers = [Alerts(Source(stage.doctor), stage.sender) for _ in range(4)]
    await asyncio.gather(*(worker.evaluate() for worker in workers))
    first = (await stage.call("GET", f"/rules/{rule['id']}"))["evaluatedAt"]
    assert first is not None
    await asyncio.gather(*(worker.evaluate() for worker in workers))
    assert (await stage.call("GET", f"/rules/{rule['id']}"))["evaluatedAt"] == first


async def test_a_fault_in_one_metric_leaves_the_others(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> Snapshot:
        raise ZeroDivisionError

    source = Source(stage.doctor, totals=broken)
    with caplog.at_level(logging.ERROR, "roost.alerts"):
        found = await metrics.read(source, ["tickLagSeconds", "healthCritical"])
    assert found["tickLagSeconds"] is None
    assert found["healthCritical"] is not None
    assert "tickLagSeconds" in caplog.text
