"""What somebody says about conflicts, and whether that lets the migration go on."""

from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID

import msgspec

from roost import errors
from roost.db.pool import Transaction
from roost.errors import FieldError, ProblemError
from roost.migration import asking
from roost.migration.content import encode
from roost.migration.model import Counts, Resolution, State
from roost.migration.standing import locked, not_now
from roost.migration.targets.target import Place

WAITING = (State.PLANNED, State.AWAITING_RESOLUTION)


class Answer(msgspec.Struct, frozen=True):
    """What to do with one conflict, with those of a kind or a key, or with all.

    `fields` chooses sides field by field, for a merge.
    """

    resolution: Resolution
    id: UUID | None = None
    kind: str | None = None
    key: str | None = None
    fields: dict[str, Literal["existing", "incoming"]] = {}

    @property
    def rank(self) -> int:
        """How general it is: what is more particular counts after it."""
        return (self.kind is not None) + (self.key is not None) + 4 * (self.id is not None)


async def choose(
    transaction: Transaction, place: Place, answers: Sequence[Answer], *, approved: bool
) -> bool:
    """Write the answers down; whether the migration is to go on now.

    It does when its plan is `approved`, or when it waited for these answers alone.
    MIGRATION_NOT_FOUND, MIGRATION_STATE.
    """
    this: dict[str, Any] = {"workspace": place.workspace_id, "migration": place.migration_id}
    row = await locked(transaction, place)
    state = State(row["state"])
    if state not in WAITING:
        what = "only a plan can be applied" if approved else "it waits for no resolution"
        raise not_now(state, what)
    # Of what was written already, the plan says what it was: only the rest can be answered.
    this["only_late"] = bool(await transaction.rows(asking.LATE, **this))
    ordered = sorted(enumerate(answers), key=lambda pair: pair[1].rank)
    for index, answer in ordered:
        await _write(transaction, this, index, answer)
    unresolved = await _unresolved(transaction, this)
    if approved and state is State.AWAITING_RESOLUTION and unresolved:
        raise not_now(state, f"{unresolved} conflicts are not resolved yet")
    goes_on = approved or (state is State.AWAITING_RESOLUTION and not unresolved)
    counts = msgspec.json.decode(row["counts"], type=Counts)
    counts.unresolved = unresolved
    values = {"counts": encode(counts).decode(), "goes_on": goes_on}
    await transaction.row(asking.CHOSEN, **this, **values)
    return goes_on


async def _write(
    transaction: Transaction, this: dict[str, Any], index: int, answer: Answer
) -> None:
    choice = {"answered": True} | ({"choice": answer.fields} if answer.fields else {})
    changed = await transaction.rows(
        asking.CHOOSE,
        **this,
        item=answer.id,
        kind=answer.kind,
        key=answer.key,
        resolution=answer.resolution.value,
        choice=encode(choice).decode(),
    )
    if answer.id is not None and not changed:
        field = f"resolutions.{index}.id"
        message = "is not the id of a conflict of this migration"
        raise ProblemError(
            errors.VALIDATION_ERROR, f"{field} {message}", errors=[FieldError(field, message)]
        )


async def _unresolved(transaction: Transaction, this: dict[str, Any]) -> int:
    row = await transaction.row(asking.UNRESOLVED, **this)
    return int(row["number"]) if row else 0
