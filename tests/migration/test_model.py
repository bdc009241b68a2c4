"""Configuration, states and counts of a migration."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from roost.migration.model import (
    RUNNING,
    TRANSITIONS,
    Config,
    ConflictResolution,
    Counts,
    State,
    Verdict,
    may_follow,
)


def test_the_defaults_are_the_careful_ones() -> None:
    config = msgspec.json.decode(b"{}", type=Config)
    assert msgspec.to_builtins(config) == {
        "conflictResolution": "INTERACTIVE",
        "backupBeforeMigration": True,
        "validateAfterMigration": True,
        "continueOnError": False,
        "batchSize": 500,
        "retryAttempts": 3,
        "dryRun": False,
        "review": False,
        "aliases": [],
    }


def test_every_option_can_be_given() -> None:
    raw = b'{"conflictResolution":"AUTO_MERGE","batchSize":5000,"retryAttempts":0,"dryRun":true}'
    config = msgspec.json.decode(raw, type=Config)
    assert config.conflict_resolution is ConflictResolution.AUTO_MERGE
    assert (config.batch_size, config.retry_attempts, config.dry_run) == (5000, 0, True)


@pytest.mark.parametrize(
    "options",
    [
        {"batchSize": 0},
        {"batchSize": 5001},
        {"retryAttempts": -1},
        {"retryAttempts": 11},
        {"conflictResolution": "MERGE"},
        {"dryRun": "true"},
        {"dry_run": True},
        {"unknown": 1},
    ],
)
def test_a_wrong_or_unknown_option_is_refused_by_name(options: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError, match=next(iter(options))):
        msgspec.convert(options, Config)


def test_the_way_of_a_migration() -> None:
    way = [State.RECEIVED, State.PLANNED, State.AWAITING_RESOLUTION, State.RECEIVED]
    way += [State.APPLYING, State.VERIFYING, State.COMPLETED, State.UNDONE, State.COMPLETED]
    assert all(may_follow(*pair) for pair in pairwise(way))
    assert may_follow(State.PLANNED, State.RECEIVED)
    assert not may_follow(State.PLANNED, State.COMPLETED)
    assert not may_follow(State.UNDONE, State.APPLYING)
    assert TRANSITIONS.keys() == set(State)


def test_whatever_runs_can_fail() -> None:
    assert all(may_follow(state, State.FAILED) for state in RUNNING)


def test_counts_add_up() -> None:
    counts = Counts()
    for verdict in (*Verdict, Verdict.SKIP):
        counts.add(verdict)
    assert counts.found == 7
    assert msgspec.to_builtins(counts) == {
        **dict.fromkeys(("create", "same", "update", "conflict", "invalid"), 1),
        "found": 7,
        "skip": 2,
        "created": 0,
        "updated": 0,
        "unresolved": 0,
        "otherUser": 0,
    }
