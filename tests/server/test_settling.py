"""What a worker loaded to start costs nobody a pause later."""

import json
import subprocess
import sys

STARTED = """
import asyncio, gc, json
from roost.cli.settling import Settling

async def app(scope, receive, send):
    await send({"type": scope["then"]})

async def main():
    told = []
    async def send(message):
        told.append([message["type"], gc.get_freeze_count()])
    settling = Settling(app)
    await settling({"type": "http", "then": "http.response.start"}, None, send)
    await settling({"type": "lifespan", "then": "lifespan.startup.failed"}, None, send)
    await settling({"type": "lifespan", "then": "lifespan.startup.complete"}, None, send)
    print(json.dumps([*told, len(gc.get_objects())]))

asyncio.run(main())
"""


def test_only_a_started_worker_takes_what_it_loaded_out_of_the_collectors_work() -> None:
    ran = subprocess.run([sys.executable, "-c", STARTED], capture_output=True, check=True)
    request, failed, complete, looked_at = json.loads(ran.stdout)
    assert request == ["http.response.start", 0]
    assert failed == ["lifespan.startup.failed", 0]
    assert complete[0] == "lifespan.startup.complete"
    assert complete[1] > 1_000
    assert looked_at < complete[1] / 10
