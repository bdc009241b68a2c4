"""kill -9 of whatever there is, in the midst of migrations and of their undo."""

import logging
import os
import random
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.db.embedded.observe import keeper, postmaster
from tests.migration.bench import store, task
from tests.migration.faults.world import World, living
from tests.server.test_crash import backend
from tests.support.server import wait_until

_log = logging.getLogger(__name__)
pytestmark = pytest.mark.timeout(300)
SEED = "KILL_SEED"
OLD, ALL = 30, 120
"""Tasks that are there before with other content, and tasks in the dump."""
PHASES = ("received", "applying", "verifying", "completed")


def dump(first: int, last: int, word: str) -> dict[str, str]:
    """Some of everything that is moved."""
    tasks = [task(number, title=f"{word} {number}") for number in range(first, last)]
    environment = f'[{{"id": "e", "name": "{word}", "githubToken": "fake-{word}"}}]'
    notes = {f"notes-{number}": f"{word} {number}" for number in range(20)}
    return {"task-store": store(*tasks), "environments": environment, "theme": word, **notes}


KEYS, CONFIG = dump(0, ALL, "new"), {"batchSize": 10, "conflictResolution": "AUTO_OVERWRITE"}


def terminate(world: World, rng: random.Random) -> None:
    """Cut some of the server's connections, as a network does."""
    statement = (
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'roost_app' "
        "and pid % $1 = 0"
    )
    world.sql(statement, rng.choice([1, 2]))


def killer(find: Callable[[Path], int]) -> Callable[[World, random.Random], None]:
    def kill(world: World, _: random.Random) -> None:
        os.kill(find(world.data_dir), signal.SIGKILL)

    return kill


def kill_worker(world: World, rng: random.Random) -> None:
    """Kill one of several workers, or the only one, which is the server."""
    workers = sorted(world.server.workers())
    if workers:
        os.kill(rng.choice(workers), signal.SIGKILL)
    else:
        world.server.kill()


VICTIMS: dict[str, Callable[[World, random.Random], None]] = {
    "connections": terminate,
    "a backend": killer(backend),
    "postgres": killer(postmaster),
    "the keeper": killer(keeper),
    "a worker": kill_worker,
    "the server": lambda world, _: world.server.kill(),
}


@dataclass
class Expected:
    """What a run without faults has left, before and after, and how long its undo took."""

    before: list[tuple[str, str]]
    after: list[tuple[str, str]]
    counts: dict[str, int]
    undo_seconds: float


def furnish(world: World) -> Expected:
    """Have rows there, and migrate and undo once in peace."""
    world.settled(world.post("/migration", {"keys": dump(0, OLD, "old")}, "first"))
    before = world.rows()
    done = world.post("/migration", {"keys": KEYS, "config": CONFIG}, "peace", waits=True)
    assert done["state"] == "completed"
    after = world.rows()
    assert len(after) > len(before)
    began = time.monotonic()
    world.post(f"/migration/{done['id']}/undo", {}, "peace undone", waits=True)
    took = time.monotonic() - began
    assert world.rows() == before
    return Expected(before, after, done["counts"], took)


def strike(world: World, victim: str, rng: random.Random) -> None:
    """Kill it; it may be down already from the time before."""
    with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        VICTIMS[victim](world, rng)


def migrate(world: World, victim: str, rng: random.Random, name: str) -> dict[str, Any]:
    """Migrate, with a kill when it has come to a drawn point."""
    phase, share = rng.choice([*PHASES[:3], "applying"]), rng.random()
    waits = rng.random() < 0.5

    def is_there() -> bool:
        state, done = world.standing()
        return state in PHASES and (PHASES.index(state), done) >= (PHASES.index(phase), share)

    with ThreadPoolExecutor(1) as thread:
        body = {"keys": KEYS, "config": CONFIG}
        sent = thread.submit(world.post, "/migration", body, name, waits=waits)
        wait_until(is_there, f"{phase} at {share:.2f}")
        strike(world, victim, rng)
        return world.settled(sent.result())


def undo(
    world: World, migration: dict[str, Any], seconds: float, victim: str, rng: random.Random
) -> dict[str, Any]:
    """Undo, with a kill within so many seconds; it is one transaction, so only time tells."""
    path, waits = f"/migration/{migration['id']}/undo", rng.random() < 0.5
    key = f"undo {migration['id']}"
    with ThreadPoolExecutor(1) as thread:
        sent = thread.submit(world.post, path, {}, key, waits=waits)
        time.sleep(rng.random() * seconds)
        strike(world, victim, rng)
        sent.result()
    # One that was to go on behind its answer may have died there: only the key may be sure.
    world.post(path, {}, key, waits=True)
    return world.settled(migration)


def endure(world: World, expected: Expected, victims: tuple[str, str], seed: str) -> None:
    """One migration and its undo, each with a kill: nothing lost, nothing doubled."""
    rng = random.Random(seed)
    [[count]] = world.sql("select count(*) from migrations")
    migration = migrate(world, victims[0], rng, seed)
    assert migration["state"] == "completed", migration["error"]
    assert world.rows() == expected.after
    assert migration["counts"] == expected.counts
    receipt = world.get(f"/migration/{migration['id']}/receipt")
    assert all(each["stored"] for each in receipt["keys"])
    [[number]] = world.sql("select count(*) from migrations")
    assert (number, world.get("/migration")["mayStart"]) == (count + 1, True)
    undone = undo(world, migration, expected.undo_seconds, victims[1], rng)
    assert (undone["state"], undone["undo"]["number"]) == ("undone", 1)
    assert undone["undo"]["kept"] == []
    assert world.rows() == expected.before


def rounds(world: World, pairs: list[tuple[str, str]]) -> None:
    """Go through these kills; what is printed draws the same again."""
    seed = os.environ.get(SEED) or str(random.randrange(10**6))
    pairs = random.Random(seed).sample(pairs, len(pairs))
    expected = furnish(world)
    for number, victims in enumerate(pairs):
        _log.warning("%s=%s: round %d, %s, then %s", SEED, seed, number, *victims)
        endure(world, expected, victims, f"{seed} {number}")


def test_killed_anywhere_a_migration_is_whole_and_so_is_its_undo(data_dir: Path) -> None:
    pairs = [("connections", "a backend"), ("postgres", "connections"), ("the server",) * 2]
    with living(data_dir) as world:
        rounds(world, pairs)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("workers", [1, 2])
def test_killed_very_often_too(data_dir: Path, workers: int) -> None:
    pairs = [(first, second) for first in VICTIMS for second in VICTIMS]
    with living(data_dir, "--workers", str(workers)) as world:
        rounds(world, pairs)
