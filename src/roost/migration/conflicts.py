"""An item that is in Roost with other content: both sides, field by field."""

from collections.abc import Mapping
from typing import Any

import msgspec

from roost.migration.content import (
    Content,
    content_of,
    differences,
    digest,
    known_better,
    normal,
)
from roost.migration.decision import Decision
from roost.migration.drafts import EnvironmentDraft, SealedText, SecretDraft, TaskDraft
from roost.migration.model import Item, Verdict
from roost.migration.targets.kept_secrets import VALUE
from roost.migration.targets.sealing import SEALED, opens_to, sealed_record
from roost.migration.targets.target import Found, Place
from roost.migration.targets.tasks import without_later


class Conflict(Decision):
    """A decision with what is there (`values`), and what of it the source can't know (`kept`)."""

    values: Content = msgspec.field(default_factory=dict)
    kept: Content = msgspec.field(default_factory=dict)


def of_item(position: int, item: Item, found: Found, place: Place) -> Conflict | None:
    """The conflict of an item with the row of its id; None when they are equal."""
    incoming: Content = normal(content_of(item))
    existing = _as_drafted(found.normal(), item)
    kept = known_better(item, incoming, existing)
    incoming |= kept
    fields = differences(incoming, existing)
    secrets = secrets_of(item)
    if secrets is not None and not opens_to(place.box, found.sealed, secrets):
        fields = [*(name for name in fields if name != "secrets"), "secrets"]
    if not fields:
        return None
    return Conflict(
        position,
        item,
        Verdict.CONFLICT,
        field=fields[0],
        conflict=_record(item, found, fields, kept),
        digest=digest(incoming),
        values=_as_drafted(found.values(), item),
        kept=kept,
    )


def _as_drafted(content: Content, item: Item) -> Content:
    """A row's content without what no draft has."""
    if isinstance(item.draft, TaskDraft):
        return without_later(content, {each.id for each in item.draft.messages})
    return content


def secrets_of(item: Item) -> Mapping[str, str | SealedText] | None:
    """The secrets in an item, by name; None where it can have none."""
    match item.draft:
        case EnvironmentDraft(secrets=secrets):
            return secrets
        case SecretDraft(value=value):
            return {VALUE: value}
        case _:
            return None


def _record(item: Item, found: Found, fields: list[str], kept: Content) -> dict[str, Any]:
    """Both sides of a conflict, field by field; secrets by their names only."""
    before = found.values()
    after = msgspec.json.decode(content_of(item), type=dict[str, msgspec.Raw])
    existing = {name: before[name] for name in fields if name in before}
    incoming: dict[str, Any] = {name: after[name] for name in fields if name in after}
    record: dict[str, Any] = {"fields": fields, "field": fields[0], "version": found.version}
    if kept:
        record["kept"] = kept
    if found.sealed:
        existing[SEALED] = sealed_record(found.sealed)
    return record | {"existing": existing, "incoming": incoming}
