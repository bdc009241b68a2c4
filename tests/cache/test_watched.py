"""What a worker tells of its cache, and of the listener behind it."""

import re

from tests.cache.conftest import Workers
from tests.cache.test_coherence import kept, settled


def values(page: str) -> dict[str, float]:
    """The metrics of a page, by name and labels."""
    lines = re.findall(r"^(roost_[^ ]+) ([0-9.e+-]+)", page, re.MULTILINE)
    return {name: float(value) for name, value in lines}


async def test_metrics_say_how_reads_were_come_by_and_how_far_behind_ticks_are(
    workers: Workers,
) -> None:
    application = await workers.start(alone=True)
    person = await workers.person("p@example.test")
    before = values((await person.ask(0, "GET", "/metrics")).text)
    await person.make(0, "a task")
    await settled(application)
    await kept(person, 0)
    after = values((await person.ask(0, "GET", "/metrics")).text)
    assert after['roost_cache_reads_total{result="hit"}'] >= 1
    assert after["roost_cache_entries"] >= 1
    heard = "roost_ticks_lag_seconds_count"
    assert after[heard] > before.get(heard, 0)
    assert after["roost_ticks_window_count"] == after[heard]
    assert after["roost_ticks_lag_seconds_sum"] < 60 * after[heard]
    assert 0 <= after["roost_ticks_age_seconds"] < 60
    assert after["roost_ticks_losses_total"] == 0
    assert after["roost_sync_waiting"] == 0
