"""Steps recorded: numbered without gaps, once for each client key, with the state they leave."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Raw, UnsetType
from uuid_utils.compat import uuid7

from roost import errors
from roost.errors import FieldError, ProblemError
from roost.executions import queries, step_queries
from roost.executions.leases import require_lease
from roost.executions.model import DATA_LIMIT, STATE_LIMIT, StepCreate
from roost.executions.service import lock_execution, start
from roost.executions.states import MOST_PATCHES, Known, fold_beside, patch_between
from roost.executions.values import NULL, hash_of, same, within
from roost.executions.work import Work

_PATIENCE: Final = 1.0
"""Seconds that a request may take to compare states; after that they are stored whole."""
_LARGE: Final = 16 * 1024
"""Bytes of two states from which on they are compared in a thread: others are served meanwhile."""
_encode: Final = msgspec.json.Encoder(enc_hook=str).encode


@dataclass(slots=True)
class End:
    """Where a run's record ends; the next step goes on from there."""

    number: int
    at: datetime
    base: int | None
    state_hash: str | None
    state: bytes | None = None


@dataclass(frozen=True, slots=True)
class New:
    """A step to be written, its JSON values in their one spelling; without `state` that stays."""

    type: str
    description: str | None
    data: str | None
    client_key: str | None
    is_checkpoint: bool
    state: bytes | None
    duration_ms: float | None = None

    @classmethod
    def read(cls, given: StepCreate, place: str = "") -> "New":
        """Read a step; `place` is where in the body it lies."""
        state = None
        if not isinstance(given.state, UnsetType):
            state = within(given.state, f"{place}state", STATE_LIMIT)
        data = None
        if not isinstance(given.data, UnsetType):
            text = within(given.data, f"{place}data", DATA_LIMIT)
            data = None if text == NULL else text.decode()
        if given.type == "rollback":
            message = "is recorded by POST /executions/{id}/rollback alone"
            raise ProblemError(
                errors.VALIDATION_ERROR,
                f"the type rollback {message}",
                errors=[FieldError(f"{place}type", message)],
            )
        return cls(
            given.type,
            given.description,
            data,
            given.client_key,
            given.checkpoint or given.type == "checkpoint",
            state,
            given.duration_ms,
        )

    def is_same(self, row: Any) -> bool:  # noqa: ANN401 -- a record
        """Whether a recorded step is this one."""
        has_same_state = (
            not row["has_state"] if self.state is None else hash_of(self.state) == row["state_hash"]
        )
        return (
            self.type == row["type"]
            and self.description == row["description"]
            and self.is_checkpoint == row["is_checkpoint"]
            and has_same_state
            and same(self.data, row["data"])
        )


async def record_steps(work: Work, news: Sequence[New], known: Known) -> list[str]:
    """Append steps in order, all or none; gives their JSON, the first one's for a known client key.

    EXECUTION_NOT_FOUND, EXECUTION_ENDED, LEASE_EXPIRED, NOT_THE_CLAIMANT, TASK_NOT_CLAIMABLE,
    CLIENT_KEY_REUSED or STATE_TOO_LARGE. A queued run is started by it.
    """
    is_manual = all(new.type == "manual" for new in news)
    run = await lock_execution(work, begins=not is_manual)
    bodies = await _earlier(work, news)
    fresh = _fresh(news, bodies)
    if fresh:
        if run["status"] == "queued" and not is_manual:
            await start(work)
            run = await lock_execution(work)
        elif run["status"] != "queued":
            require_lease(run, work.user_id, anybody=is_manual)
        written = await append(work, run, fresh, known)
        bodies |= {id(new): body for new, body in zip(fresh, written, strict=True)}
        bodies |= {new.client_key: bodies[id(new)] for new in fresh if new.client_key is not None}
    if fresh and run["status"] == "starting" and not is_manual:
        statement = queries.execution_update(("status",), lease=False, starts=False, ends=False)
        await work.transaction.row(statement, **work.place, new_status="running")
    return [bodies[id(new) if new.client_key is None else new.client_key] for new in news]


async def _earlier(work: Work, news: Sequence[New]) -> dict[str | int, str]:
    """Find the steps that were recorded before, by their client keys; CLIENT_KEY_REUSED."""
    keys = {new.client_key: new for new in news if new.client_key is not None}
    if not keys:
        return {}
    found: dict[str | int, str] = {}
    rows = await work.transaction.rows(step_queries.BY_CLIENT_KEY, **work.place, keys=list(keys))
    for row in rows:
        if not keys[row["client_key"]].is_same(row):
            raise _reused(row["client_key"])
        found[row["client_key"]] = row["body"]
    return found


def _fresh(news: Sequence[New], bodies: dict[str | int, str]) -> list[New]:
    """Leave out what was recorded before, and what is in the batch twice."""
    fresh: list[New] = []
    keyed: dict[str, New] = {}
    for new in news:
        if new.client_key is not None:
            if new.client_key in bodies:
                continue
            first = keyed.setdefault(new.client_key, new)
            if first is not new:
                if first != new:
                    raise _reused(new.client_key)
                continue
        fresh.append(new)
    return fresh


def _reused(key: str) -> ProblemError:
    return ProblemError(
        errors.CLIENT_KEY_REUSED,
        f"the client key {key[:100]!r} belongs to another step of the execution",
        errors=[FieldError("clientKey", "belongs to another step", "reused")],
    )


async def append(
    work: Work,
    run: Any,  # noqa: ANN401 -- a record
    news: Sequence[New],
    known: Known,
) -> list[str]:
    """Write steps at the end of a locked run; gives their JSON."""
    before = run["last_hash"]
    end = End(run["last_number"] or 0, run["last_at"] or run["since"], run["last_base"], before)
    record = _Record(work, known, end)
    at = max(run["now"], end.at)
    end.at = max(end.at, min(run["since"], at))
    rows = [await record.row(new, at) for new in news]
    text = _encode(rows).decode()
    written = await work.transaction.rows(step_queries.INSERT, **work.place, rows=text)
    if end.state is not None:
        known.note(work.execution_id, end.state, before)
    return [row["body"] for row in sorted(written, key=lambda row: int(row["number"]))]


@dataclass(slots=True)
class _Record:
    """A run's record while steps are added to it; `spent` are seconds of comparing states."""

    work: Work
    known: Known
    end: End
    spent: float = 0.0

    async def row(self, new: New, at: datetime) -> dict[str, Any]:
        """Make the row of the next step."""
        end = self.end
        end.number += 1
        duration = new.duration_ms
        if duration is None:
            duration = (at - end.at).total_seconds() * 1000
        end.at = at
        row: dict[str, Any] = {
            "id": uuid7(),
            "number": end.number,
            "type": new.type,
            "description": new.description,
            "data": None if new.data is None else Raw(new.data.encode()),
            "client_key": new.client_key,
            "is_checkpoint": new.is_checkpoint,
            "duration_ms": duration,
            "at": at,
            "created_by": self.work.user_id,
            **await self._state(new),
        }
        return row | {"base": end.base, "state_hash": end.state_hash}

    async def _state(self, new: New) -> dict[str, str]:
        """Give the column that has the state, and let the record's end have it.

        A state that stays is stored once, at a checkpoint too: it is folded from what is there.
        """
        end = self.end
        if new.state is None or hash_of(new.state) == end.state_hash:
            return {}
        before, after = await self._before(), new.state
        patch = None
        is_near = end.base is not None and end.number - end.base < MOST_PATCHES
        if before is not None and is_near and not new.is_checkpoint and self.spent < _PATIENCE:
            started = time.perf_counter()
            patch = await _patch(before, after)
            self.spent += time.perf_counter() - started
        end.state, end.state_hash = after, hash_of(after)
        if patch is not None:
            return {"patch": patch.decode()}
        end.base = end.number
        return {"snapshot": after.decode()}

    async def _before(self) -> bytes | None:
        end = self.end
        if end.state is None and end.state_hash is not None:
            end.state = self.known.find(self.work.execution_id, end.state_hash)
            if end.state is None:
                found = await self.work.transaction.row(
                    step_queries.STATE_WITHIN["last"], **self.work.place
                )
                end.state = await fold_beside(found["pieces"]) if found else None
        return end.state


async def _patch(before: bytes, after: bytes) -> bytes | None:
    if len(before) + len(after) < _LARGE:
        await asyncio.sleep(0)  # the others' turn
        return patch_between(before, after)
    return await asyncio.to_thread(patch_between, before, after)
