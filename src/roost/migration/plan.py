"""The plan: a verdict for each item, against what the database has."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from roost.db.pool import Transaction
from roost.migration import ids, writes
from roost.migration.content import (
    Content,
    content_of,
    differences,
    digest,
    encode,
    known_better,
    normal,
)
from roost.migration.drafts import (
    DocumentDraft,
    EnvironmentDraft,
    PreferenceDraft,
    SecretDraft,
    TaskDraft,
)
from roost.migration.model import ConflictResolution, Item, Kind, Verdict
from roost.migration.targets.documents import DocumentTarget
from roost.migration.targets.environments import EnvironmentTarget
from roost.migration.targets.kept_secrets import VALUE, KeptSecretTarget
from roost.migration.targets.preferences import PreferenceTarget
from roost.migration.targets.sealing import SEALED, opens_to, sealed_record
from roost.migration.targets.target import Found, Place, Target
from roost.migration.targets.tasks import TaskTarget, without_later

SKIP, OVERWRITE = "skip", "overwrite"
_RESOLUTIONS: Final = {
    ConflictResolution.AUTO_SKIP: SKIP,
    ConflictResolution.AUTO_OVERWRITE: OVERWRITE,
}
_TABLES: Final[dict[type, str]] = {
    TaskDraft: "task",
    EnvironmentDraft: "environment",
    DocumentDraft: "document",
    PreferenceDraft: "preference",
    SecretDraft: "secret",
}
#: Where rows of each kind of item go; what is quarantined is a document or a kept secret.
KIND_TABLES: Final = {
    Kind.TASK: "task",
    Kind.ENVIRONMENT: "environment",
    Kind.PREFERENCE: "preference",
    Kind.SECRET: "secret",
}
# Environments before the tasks that name them.
ORDER: Final = ("environment", "task", "document", "preference", "secret")


class Targets:
    """One of each target, for one migration."""

    def __init__(self) -> None:
        self.preferences = PreferenceTarget()
        self._by_name: dict[str, Target] = {
            "task": TaskTarget(),
            "environment": EnvironmentTarget(),
            "document": DocumentTarget(),
            "preference": self.preferences,
            "secret": KeptSecretTarget(),
        }

    def __getitem__(self, table: str) -> Target:
        """The target of a table's name."""
        return self._by_name[table]


class Decision(msgspec.Struct):
    """What is done with one item, and the digest of the row that comes of it."""

    position: int
    item: Item
    verdict: Verdict
    resolution: str | None = None
    field: str | None = None
    conflict: dict[str, Any] | None = None
    digest: bytes | None = None


def table_of(item: Item) -> str:
    """The name of the table an item's draft goes to."""
    return _TABLES[type(item.draft)]


def kind_table(kind: str) -> str:
    """The name of the table that items of this kind go to."""
    return KIND_TABLES.get(Kind(kind), "document")


def prepare(items: Sequence[Item], owner: UUID, targets: Targets) -> None:
    """Settle the ids of items that the parse left open: of documents, of what is quarantined.

    A document's own UUID may be another kind's or another user's too: it gets one by owner.
    """
    for position, item in enumerate(items):
        draft = item.draft
        if isinstance(draft, DocumentDraft) and item.target_id == ids.own_uuid(item.source_id):
            item.target_id = ids.legacy(owner, item.key, [item.kind.value, item.source_id])
        elif isinstance(draft, PreferenceDraft) and item.target_id is not None:
            targets.preferences.know(item.target_id, draft.key)
        elif item.verdict is Verdict.INVALID and item.raw is not None:
            name = ["quarantine", item.offset, position, ids.content_hash(item.raw.hex()).hex()]
            item.target_id = ids.legacy(owner, item.key, name)


async def decide(
    transaction: Transaction,
    place: Place,
    targets: Targets,
    batch: Sequence[tuple[int, Item]],
    policy: ConflictResolution,
) -> list[Decision]:
    """Give each item of a batch its verdict; reads what exists in a statement a table."""
    wanted: dict[str, list[str]] = {}
    for _, item in batch:
        if item.draft is not None and item.target_id is not None:
            wanted.setdefault(table_of(item), []).append(item.target_id)
    existing: dict[str, dict[str, Found]] = {}
    for table in ORDER:
        if table in wanted:
            existing[table] = await targets[table].found(transaction, place, wanted[table])
    decisions = []
    for position, item in batch:
        if item.draft is None:
            verdict = item.verdict or Verdict.INVALID
            decisions.append(Decision(position, item, verdict, field=item.field))
            continue
        found = existing[table_of(item)].get(str(item.target_id))
        decisions.append(_decision(position, item, found, place, policy))
    return decisions


def _decision(
    position: int, item: Item, found: Found | None, place: Place, policy: ConflictResolution
) -> Decision:
    incoming: Content = normal(content_of(item))
    if found is None:
        return Decision(position, item, Verdict.CREATE, digest=digest(incoming))
    existing = found.normal()
    if isinstance(item.draft, TaskDraft):
        existing = without_later(existing)
    kept = known_better(item, incoming, existing)
    incoming |= kept
    fields = differences(incoming, existing)
    secrets = _secrets_of(item)
    if secrets is not None and not opens_to(place.box, found.sealed, secrets):
        fields = [*(name for name in fields if name != "secrets"), "secrets"]
    if not fields:
        return Decision(position, item, Verdict.SAME)
    return Decision(
        position,
        item,
        Verdict.CONFLICT,
        resolution=_RESOLUTIONS.get(policy),
        field=fields[0],
        conflict=_conflict(item, found, fields, kept, policy),
        digest=digest(incoming),
    )


def _secrets_of(item: Item) -> dict[str, str] | None:
    match item.draft:
        case EnvironmentDraft(secrets=secrets):
            return secrets
        case SecretDraft(value=value):
            return {VALUE: value}
        case _:
            return None


def _conflict(
    item: Item,
    found: Found,
    fields: list[str],
    kept: Content,
    policy: ConflictResolution,
) -> dict[str, Any]:
    """Both sides of a conflict, field by field; secrets by their names only."""
    before = found.values()
    after = msgspec.json.decode(content_of(item), type=dict[str, msgspec.Raw])
    existing = {name: before[name] for name in fields if name in before}
    if isinstance(item.draft, TaskDraft) and policy is not ConflictResolution.AUTO_SKIP:
        # Overwriting writes the whole conversation anew; taking that back needs all of it.
        existing["messages"] = before["messages"]
    incoming: dict[str, Any] = {name: after[name] for name in fields if name in after}
    record: dict[str, Any] = {"fields": fields, "field": fields[0], "version": found.version}
    if kept:
        record["kept"] = kept
    if found.sealed:
        existing[SEALED] = sealed_record(found.sealed)
    return record | {"existing": existing, "incoming": incoming}


async def store(
    transaction: Transaction, place: Place, migration_id: UUID, decisions: Sequence[Decision]
) -> None:
    """Write the verdicts down."""
    if decisions:
        await transaction.row(
            writes.STORE_ITEMS,
            workspace=place.workspace_id,
            migration=migration_id,
            rows=encode([_row(each) for each in decisions]).decode(),
        )


def _row(decision: Decision) -> dict[str, Any]:
    item = decision.item
    return {
        "id": str(uuid7()),
        "position": decision.position,
        "key": item.key,
        "kind": item.kind.value,
        "sourceId": item.source_id,
        "targetId": item.target_id,
        "verdict": decision.verdict.value,
        "reason": item.reason,
        "field": decision.field,
        "detail": item.detail,
        "offset": item.offset,
        "warnings": item.warnings,
        "conflict": decision.conflict,
        "resolution": decision.resolution,
        "digest": decision.digest.hex() if decision.digest else None,
    }
