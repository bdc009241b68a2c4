"""What is done about conflicts: keep, overwrite, merge, or keep both; and what comes of it."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from roost.db.pool import Transaction
from roost.migration.base import bases_of
from roost.migration.conflicts import Conflict, secrets_of
from roost.migration.content import (
    Content,
    content_of,
    differences,
    digest,
    digest_of,
    encode,
    equal,
    normal,
    source_digest,
)
from roost.migration.copies import copy_of
from roost.migration.drafts import EnvironmentDraft, PreferenceDraft, TaskDraft
from roost.migration.merging import Base, merge
from roost.migration.merging_messages import timed
from roost.migration.model import Item, Resolution, Verdict
from roost.migration.targets.registry import ORDER, Targets, table_of
from roost.migration.targets.sealing import opens_to, unsealed
from roost.migration.targets.target import PUT, Place

KEPT_BOTH = "KEPT_BOTH"
_SECRETS = "secrets"


class Choice(msgspec.Struct):
    """What was chosen for a conflict, as a whole and for fields of a merge.

    `is_answer` tells that somebody did, and no policy; `seen` is the row's version that they were
    shown, None where it has none.
    """

    resolution: Resolution
    fields: dict[str, Literal["existing", "incoming"]] = {}
    is_answer: bool = False
    seen: int | None = None

    def fits(self, conflict: Conflict) -> bool:
        """Whether the row is still the one that was looked at."""
        return self.seen is None or self.seen == (conflict.conflict or {}).get("version")


async def resolve(
    transaction: Transaction,
    place: Place,
    targets: Targets,
    conflicts: Sequence[Conflict],
    choices: Mapping[int, Choice],
) -> None:
    """Settle the conflicts that somebody has chosen for; the others stay open."""
    if not conflicts:
        return
    await _recognise_copies(transaction, place, targets, conflicts)
    still = [each for each in conflicts if each.verdict is Verdict.CONFLICT]
    chosen = [
        (each, choice)
        for each in still
        if (choice := choices.get(each.position)) is not None and choice.fits(each)
    ]
    merging = [each for each, choice in chosen if choice.resolution is Resolution.MERGE]
    bases = await bases_of(transaction, place, merging)
    for conflict, choice in chosen:
        conflict.resolution = choice.resolution
        if choice.is_answer:
            conflict.conflict = (conflict.conflict or {}) | {"answered": True}
        if choice.resolution is Resolution.MERGE:
            _merge(conflict, choice, place, bases.get(str(conflict.item.target_id)))
        elif choice.resolution is Resolution.KEEP_BOTH:
            _keep_both(conflict, place)


def copied(item: Item, place: Place) -> Item:
    """The second row that `keepBoth` makes of an item."""
    return copy_of(item, place.user_id, source_digest(item))


async def _recognise_copies(
    transaction: Transaction, place: Place, targets: Targets, conflicts: Sequence[Conflict]
) -> None:
    """An item that was kept beside the other one before is here already."""
    copies: dict[str, dict[str, Conflict]] = {}
    for conflict in conflicts:
        copy = copied(conflict.item, place)
        if isinstance(copy.draft, PreferenceDraft):
            targets.preferences.know(str(copy.target_id), copy.draft.key)
        copies.setdefault(table_of(copy), {})[str(copy.target_id)] = conflict
    for table in ORDER:
        if table in copies:
            present = await targets[table].found(transaction, place, list(copies[table]))
            for copy_id in present:
                conflict = copies[table][copy_id]
                conflict.verdict, conflict.conflict, conflict.digest = Verdict.SAME, None, None
                conflict.item.reason, conflict.field = KEPT_BOTH, None


def _keep_both(conflict: Conflict, place: Place) -> None:
    copy = copied(conflict.item, place)
    record = conflict.conflict or {}
    record["copy"] = copy.target_id
    if isinstance(copy.draft, PreferenceDraft):
        record["copyKey"] = copy.draft.key
    conflict.conflict = record
    conflict.digest = digest_of(copy)


def _merge(conflict: Conflict, choice: Choice, place: Place, base: Base | None) -> None:
    record = conflict.conflict or {}
    incoming: Content = msgspec.json.decode(content_of(conflict.item))
    given = incoming | conflict.kept
    existing = conflict.values
    merged = merge(existing, given, base, choice.fields)
    if isinstance(conflict.item.draft, TaskDraft):
        merged.content = timed(merged.content)
    chosen = dict(merged.chosen)
    put: list[str] | None = None
    if _SECRETS in record["fields"]:
        put = _secrets_to_put(conflict, choice, place, existing, given)
        if isinstance(conflict.item.draft, EnvironmentDraft):
            merged.content[_SECRETS] = sorted({*existing[_SECRETS], *put})
            merged.changed = bool(put) or not equal(merged.content, existing)
        chosen[_SECRETS] = "both" if put else "existing"
    unchanged = not merged.changed and not put
    record |= {"chosen": chosen, "losing": merged.losing}
    record["merged"] = {name: merged.content[name] for name in chosen if name in merged.content}
    if base is not None:
        record["base"] = {name: base.row[name] for name in chosen if name in base.row}
    if choice.fields:
        record["choice"] = choice.fields
    if unchanged:
        record["unchanged"] = True
        conflict.digest = None
    else:
        record["kept"] = {
            name: merged.content[name] for name in differences(merged.content, incoming)
        }
        if put is not None:
            record["kept"] |= {_SECRETS: merged.content.get(_SECRETS), PUT: put}
        conflict.digest = digest(normal(encode(merged.content)))
    conflict.conflict = record


def _secrets_to_put(
    conflict: Conflict, choice: Choice, place: Place, existing: Content, incoming: Content
) -> list[str]:
    """The secrets that come in: new names, and other values where the browser's side is newer.

    Those that only Roost has stay.
    """
    values = secrets_of(conflict.item) or {}
    sealed = unsealed((conflict.conflict or {})["existing"])
    side = choice.fields.get(_SECRETS)
    if side == "existing":
        return []
    takes = side == "incoming" or _is_newer(incoming, existing)
    return sorted(
        name
        for name, value in values.items()
        if name not in sealed
        or (takes and not opens_to(place.box, {name: sealed[name]}, {name: value}))
    )


def _is_newer(incoming: Content, existing: Content) -> bool:
    """Whether the browser's side was changed last, as far as it says."""
    return str(incoming.get("updatedAt") or "") > str(existing.get("updatedAt") or "~")
