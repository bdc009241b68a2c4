"""How a held run ends: well, badly, or given back. Without a socket."""

import logging
import traceback
from typing import Any, Final

from msgspec import UNSET

from roost.client.execution_calls import Changes
from roost.client.holding import Holding
from roost.client.problems import Conflict, LeaseLost, RoostError, RunCancelled
from roost.client.wire import Flow, Pause

_log = logging.getLogger("roost.client")
_LONGEST_ERROR: Final = 10_000
_REFUSALS: Final = (RoostError, TypeError, ValueError, OverflowError, RecursionError)
"""What says that a result is no JSON, or that Roost does not take it."""


def finish(run: Holding, error: BaseException | None) -> Flow[None]:
    """Tell how the work has ended: without an error well, with one badly.

    What ends the program (a cancellation from outside, Ctrl-C) gives the task back instead.
    """
    if run.is_over:
        run.outcome = run.outcome or ("cancelled" if run.cancelled else "lost")
        if isinstance(error, Exception) and not isinstance(error, LeaseLost | RunCancelled):
            _log.warning("the work on the run %s has failed\n%s", run.claimed.id, _told(run, error))
    elif error is None:
        yield from _complete(run)
    elif isinstance(error, Exception):
        yield from _fail(run, error)
    else:
        yield from give_back(run)


def _complete(run: Holding) -> Flow[None]:
    changes: Changes = {"status": "completed"}
    if run.output is not UNSET:
        changes["output"] = run.output
    if run.task:
        changes["task"] = run.task
    try:
        if run.waiting:
            yield from _tell(run, {"status": "running"})
        if not run.is_over:
            yield from _tell(run, changes)
    except _REFUSALS as refused:
        yield from _fail(run, refused)


def _fail(run: Holding, error: Exception) -> Flow[None]:
    _log.error("the run %s has failed\n%s", run.claimed.id, _told(run, error))
    name = type(error).__qualname__
    message = _storable(run.redaction.of(str(error)))[:_LONGEST_ERROR] or name
    try:
        yield from _tell(run, {"status": "failed", "error": {"type": name, "message": message}})
    except RoostError as problem:
        run.end(problem)
        run.outcome = "lost"


def _told(run: Holding, error: Exception) -> str:
    # A log is a file in UTF-8, as a rule.
    return _storable(run.redaction.of("".join(traceback.format_exception(error))))


def _storable(text: str) -> str:
    """Put a mark in place of what neither UTF-8 nor PostgreSQL can hold."""
    return text.encode("utf-8", "replace").decode().replace("\0", "?")


def _tell(run: Holding, changes: Changes) -> Flow[None]:
    """Change the run, and go on trying for as long as it is held."""
    if run.all_used() is not None:
        changes["usage"] = run.usage
    failures = 0
    while not run.is_over:
        try:
            yield from run.executions.update(run.claimed.id, **changes)
        except LeaseLost as problem:
            run.end((yield from run.reason(problem)))
        except RoostError as problem:
            left = run.deadline - run.wire.clock()
            if not problem.is_passing:
                raise
            if left <= 0:
                run.end(problem)
            else:
                failures += 1
                yield Pause(min(left, run.wire.retry.delay(failures, problem.retry_after)))
        else:
            break
    if run.is_over or changes["status"] != "running":
        run.outcome = "cancelled" if run.cancelled else "lost" if run.lost else changes["status"]


def give_back(run: Holding) -> Flow[None]:
    """Give up the lease and let the task wait again, if that is possible at once.

    If not, the lease runs out by itself.
    """
    if run.is_over:
        return
    run.outcome = "returned"
    error = {"code": "GIVEN_BACK", "message": "the agent has given the task back"}
    changes: list[dict[str, Any]] = [{"error": error, "task": {"status": "pending"}}, {}]
    for each in changes:
        try:
            yield from run.briefly.update(run.claimed.id, **each, status="cancelled")
        except Conflict:  # somebody has changed the task meanwhile: that stands
            continue
        except RoostError as problem:
            _log.warning("the run %s could not be given back: %s", run.claimed.id, problem)
        return
