"""Rows put back as they were: one thing, what belongs to it, or a whole workspace.

A restore is a change like any other: journaled, with its actor and cause, and undone by a restore
to the moment before it. Secrets' values are in no journal: no restore deletes or brings back any.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from asyncpg import (
    CheckViolationError,
    ForeignKeyViolationError,
    NotNullViolationError,
    UniqueViolationError,
)
from sqlalchemy import Table

from roost import errors
from roost.db.pool import Database, Transaction
from roost.db.tenancy import Context
from roost.errors import ProblemError
from roost.history import back
from roost.history.kinds import Kind
from roost.history.model import Restore
from roost.history.moments import Moment, not_kept, read_moment
from roost.history.versions import moment_of_insert, moment_of_version
from roost.web.endpoint import Call
from roost.web.kit import Kit
from roost.web.query import invalid


@dataclass(slots=True)
class Done:
    """What was done to the rows of a kind, by what a restore makes of them."""

    created: list[UUID]
    changed: list[UUID]
    deleted: list[UUID]
    kept: list[UUID]
    moved: list[UUID]


async def tick_of_now(database: Database) -> Moment:
    """Make a tick that sees all that was committed; gives its moment."""
    row = await database.read(back.MAKE_TICK, Context())
    assert row is not None  # noqa: S101 -- it always has one row
    return await read_moment(database, int(row["tick"]))


@dataclass(frozen=True, slots=True)
class Point:
    """What to go back to: the moment to read the row at, and the one to read its parts at."""

    row: Moment
    parts: Moment


async def find_point(kit: Kit, call: Call, kind: Kind, row: UUID, wanted: Restore) -> Point | None:
    """Find what the body asks for; None when the row never had that version."""
    if (wanted.version is None) is (wanted.as_of is None):
        raise invalid("version", "or asOf must be given, one of the two", "conflict")
    if wanted.as_of is not None:
        moment = await read_moment(kit.database, wanted.as_of)
        return Point(moment, moment)
    # So that the version, however new it is, is of some tick.
    await tick_of_now(kit.database)
    found = await moment_of_version(kit, call, kind, row, wanted.version or 0)
    if found is None:
        return None
    return Point(found, await read_moment(kit.database, found.tick))


async def point_of_insert(kit: Kit, call: Call, table: Table, row: UUID) -> Point:
    """Find the point at which a row was made; MOMENT_NOT_KEPT when that is too long ago."""
    # So that its making, however new it is, is of some tick.
    now = await tick_of_now(kit.database)
    found = await moment_of_insert(kit, call, table, row)
    if found is None:
        raise not_kept(now.tick, now.at or datetime.now(UTC))
    tick = await read_moment(kit.database, found.tick)
    # The tick that first saw it, but for what was written after it by then.
    return Point(found, replace(tick, last_seq=min(tick.last_seq, found.last_seq)))


async def put_row(
    transaction: Transaction, workspace_id: UUID, kind: Kind, row: UUID, moment: Moment
) -> bool:
    """Make one row what it was; False when it was not there then, or can't be put back."""
    done = Done([row], [], [], [], [])
    await _put(transaction, workspace_id, kind, done, moment)
    return bool(done.created)


async def put_parts(  # noqa: PLR0913 -- whose parts, which and when
    transaction: Transaction,
    workspace_id: UUID,
    kind: Kind,
    moment: Moment,
    *,
    column: str,
    whole: UUID,
) -> None:
    """Make the rows of `kind` that name `whole` in `column` what they were, all of them."""
    places = {"workspace": workspace_id, **moment.places(), f"of_{column}": [whole]}
    done = _sorted(await transaction.rows(back.changes(kind, column), **places))
    await _remove(transaction, workspace_id, kind, done)
    await _put(transaction, workspace_id, kind, done, moment)


async def restore_workspace(
    transaction: Transaction,
    workspace_id: UUID,
    kinds: Sequence[Kind],
    moment: Moment,
    *,
    dry_run: bool,
) -> list[Done]:
    """Make all rows of these kinds what they were; gives what was done, or would be, to each.

    The kinds come in the order in which each may name rows of those before it.
    """
    # One after the other: each sees what the one before it has left.
    await transaction.row(back.LOCK, turn=f"restore {workspace_id}")
    places = {"workspace": workspace_id, **moment.places()}
    found = await _changes(transaction, kinds, places)
    if not dry_run:
        await _hold(transaction, kinds, found, places)
    await _keep_parts(transaction, workspace_id, kinds, found)
    if dry_run:
        return found
    for kind, done in reversed(list(zip(kinds, found, strict=True))):
        await _remove(transaction, workspace_id, kind, done)
    for kind, done in zip(kinds, found, strict=True):
        await _put(transaction, workspace_id, kind, done, moment)
    return found


async def _changes(
    transaction: Transaction, kinds: Sequence[Kind], places: Mapping[str, Any]
) -> list[Done]:
    return [_sorted(await transaction.rows(back.changes(kind), **places)) for kind in kinds]


async def _hold(
    transaction: Transaction,
    kinds: Sequence[Kind],
    found: Sequence[Done],
    places: Mapping[str, Any],
) -> None:
    """Lock what is to be deleted unless something names it; what was named by now is kept."""
    for kind, done in zip(kinds, found, strict=True):
        if kind.kept_by is None or not done.deleted:
            continue
        rows = await transaction.rows(
            back.hold(kind), workspace=places["workspace"], of_id=done.deleted
        )
        held = {row["id"] for row in rows}
        [now] = await _changes(transaction, [kind], places)
        kept = held.intersection(now.kept)
        done.deleted = [row for row in done.deleted if row in held - kept]
        done.kept += kept


async def _keep_parts(
    transaction: Transaction, workspace_id: UUID, kinds: Sequence[Kind], found: Sequence[Done]
) -> None:
    """Keep what belongs to rows that are kept: a task's conversation with the task."""
    kept = {kind.table: done.kept for kind, done in zip(kinds, found, strict=True)}
    for kind, done in zip(kinds, found, strict=True):
        for reference in kind.references:
            whole = kept.get(reference.table)
            if not reference.required or not whole or not done.deleted:
                continue
            places = {"workspace": workspace_id, "of_id": done.deleted, "whole": whole}
            rows = await transaction.rows(back.parts(kind, reference.column), **places)
            parts = {row["id"] for row in rows}
            done.deleted = [row for row in done.deleted if row not in parts]
            done.kept += parts


def _sorted(rows: Sequence[Any]) -> Done:
    done = Done([], [], [], [], [])
    for row in rows:
        getattr(done, row["change"]).append(row["id"])
        if row["has_moved"]:
            done.moved.append(row["id"])
    return done


async def _remove(transaction: Transaction, workspace_id: UUID, kind: Kind, done: Done) -> None:
    """Delete what was not there; what has another's place by now makes room for it as well."""
    ids = [*done.deleted, *done.moved]
    if ids:
        await transaction.row(back.remove(kind), workspace=workspace_id, of_id=ids)


async def _put(
    transaction: Transaction, workspace_id: UUID, kind: Kind, done: Done, moment: Moment
) -> None:
    ids = [*done.created, *done.changed]
    if not ids:
        return
    places = {"workspace": workspace_id, "of_id": ids}
    if kind.single is not None:
        await transaction.row(back.unset_single(kind), **places)
    try:
        rows = await transaction.rows(back.put(kind), **places, **moment.places())
    except (UniqueViolationError, ForeignKeyViolationError) as error:
        message = "somebody has changed what the restore was about to put back"
        raise ProblemError(errors.CONTENTION, message) from error
    except (CheckViolationError, NotNullViolationError) as error:
        message = "what was there can't be put back: words were taken out of it, or it is too old"
        raise ProblemError(errors.CONFLICT, message) from error
    put = {row["id"] for row in rows}
    # What names something that is not there any more was left out.
    done.created = [row for row in done.created if row in put]
