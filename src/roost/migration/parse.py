"""A dump taken to pieces: every key and every item gets exactly one outcome.

An item waits for the plan with a typed draft, or it is invalid (quarantined, with the reason,
the field and the byte), or it is left out for a named reason. The result does not depend on
the order of the keys.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

import msgspec

from roost.migration import reader
from roost.migration.context import Context, Known, Raw
from roost.migration.drafts import Warn
from roost.migration.inspection import inspection_of
from roost.migration.keys import EXACT, REASONS, Handler, Rule, rule_for
from roost.migration.mapping import values
from roost.migration.mapping.backups import backup
from roost.migration.mapping.documents import kept, to_seal
from roost.migration.mapping.environments import environment, settle
from roost.migration.mapping.queued import session, write
from roost.migration.mapping.rows import row
from roost.migration.mapping.stores import Broken, Store, open_store
from roost.migration.mapping.tasks import task
from roost.migration.model import Counts, Item, KeyReport, Kind, Verdict
from roost.migration.octets import Octets, view
from roost.migration.text import safe

Elements = Callable[[Context, str, object, Raw, str | None], Iterator[Item]]
Values = Callable[[Context, str, bytes], Iterator[Item]]

_LISTS: Final[dict[Handler, Elements]] = {
    Handler.TASKS: task,  # type: ignore[dict-item]
    Handler.ENVIRONMENTS: environment,  # type: ignore[dict-item]
    Handler.SESSIONS: session,
    Handler.OFFLINE_WRITES: write,
    Handler.ROWS: row,
}
_VALUES: Final[dict[Handler, Values]] = {
    Handler.PREFERENCE: values.preference,
    Handler.DOCUMENT: values.draft_document,
    Handler.SECRET: values.secret,
    Handler.UNKNOWN: values.unknown,
}
_OBJECTS_ONLY: Final = frozenset({Handler.TASKS, Handler.ENVIRONMENTS})
# Environments before the tasks that name them; copies after what they are copies of.
_RANKS: Final = {Handler.ENVIRONMENTS: 0, Handler.TASKS: 1, Handler.BACKUP: 3}
_KNOWN_FIRST: Final = {key: rank for rank, key in enumerate(EXACT)}


class Parsed(msgspec.Struct):
    """All that a dump holds, in a fixed order."""

    keys: list[KeyReport]
    items: list[Item]

    def counts(self) -> Counts:
        """How many items there are and how many have a verdict already."""
        counts = Counts(found=len(self.items))
        counts.invalid = sum(item.verdict is Verdict.INVALID for item in self.items)
        counts.skip = sum(item.verdict is Verdict.SKIP for item in self.items)
        return counts


def parse(
    keys: Mapping[str, Octets],
    owner: UUID,
    imported_at: datetime,
    known: Known = Known(),  # noqa: B008 -- it is frozen
) -> Parsed:
    """Parse the dump `keys` (raw strings as UTF-8, lone surrogates passed through).

    `owner` is the user whose rows these become. `imported_at` (aware, UTC) stands in where a row
    has no date at all.
    """
    parsed = Parsed([], [])
    for report, items in parse_keys(keys, owner, imported_at, known):
        parsed.items.extend(items)
        parsed.keys.append(report)
    return parsed


def parse_keys(
    keys: Mapping[str, Octets],
    owner: UUID,
    imported_at: datetime,
    known: Known = Known(),  # noqa: B008 -- it is frozen
) -> Iterator[tuple[KeyReport, Iterator[Item]]]:
    """As `parse`, one key and one item at a time: nothing keeps them.

    A report is complete when its items have been read, which they must be before the next pair is
    asked for.
    """
    context = Context(owner, imported_at, known)
    named = in_order(keys)
    first = [pair for pair in named if rule_for(pair[0]).kind is Kind.ENVIRONMENT]
    parsed = [_parse_whole(context, name, keys[key]) for name, key in first]
    settle((item for _, items in parsed for item in items), imported_at)
    while parsed:
        report, found = parsed.pop(0)
        yield report, iter(found)
    for name, key in named[len(first) :]:
        yield _parse_key(context, name, keys[key])


def in_order(keys: Mapping[str, Octets]) -> list[tuple[str, str]]:
    """The names that keys are stored under, with the keys, in the order of the parse."""
    return sorted(((storable(key), key) for key in keys), key=lambda pair: _order(pair[0]))


def storable(key: str) -> str:
    """A key's name as PostgreSQL can hold it; made unique where characters were replaced."""
    text, replaced = safe(key)
    if not replaced:
        return key
    return f"{text}~{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def _order(key: str) -> tuple[int, int, str]:
    rule = rule_for(key)
    rank = 0 if rule.kind is Kind.ENVIRONMENT else _RANKS.get(rule.handler, 2)
    return rank, _KNOWN_FIRST.get(key, len(_KNOWN_FIRST)), key


def _parse_whole(context: Context, key: str, raw: Octets) -> tuple[KeyReport, list[Item]]:
    report, items = _parse_key(context, key, raw)
    return report, list(items)


def _parse_key(context: Context, key: str, raw: Octets) -> tuple[KeyReport, Iterator[Item]]:
    rule = rule_for(key)
    digest = hashlib.sha256(raw).hexdigest()
    report = KeyReport(key=key, sha256=digest, bytes=len(view(raw)), kind=rule.kind)
    return report, _counted(report, _items(context, key, raw, rule, report))


def _counted(report: KeyReport, items: Iterator[Item]) -> Iterator[Item]:
    for item in items:
        report.found += 1
        if item.verdict is None:
            report.planned += 1
        elif item.verdict is Verdict.INVALID:
            report.invalid += 1
            item.warnings += to_seal(item.raw or b"")
        else:
            report.skipped += 1
        yield item
    if not report.found:
        report.note = "EMPTY"


def _items(
    context: Context, key: str, raw: Octets, rule: Rule, report: KeyReport
) -> Iterator[Item]:
    if rule.handler in _LISTS:
        store = open_store(raw, rule.names)
        report.version, report.warnings = store.version, tuple(store.warnings)
        yield from _of_a_store(context, key, raw, rule, store)
    elif rule.handler in _VALUES:
        yield from _VALUES[rule.handler](context, key, bytes(raw))
    elif rule.handler is Handler.BACKUP:
        yield from backup(context, key, bytes(raw), rule.names)
    else:
        reason = rule.reason or "CACHE"
        yield Item(
            key=key, kind=rule.kind, verdict=Verdict.SKIP, reason=reason, detail=REASONS[reason]
        )


def _of_a_store(
    context: Context, key: str, raw: Octets, rule: Rule, store: Store
) -> Iterator[Item]:
    plain = reader.is_plain(raw)
    inspect = inspection_of(raw)
    handle = partial(_LISTS[rule.handler], context, key)
    for position, element in enumerate(store.elements):
        text = bytes(element.raw)
        try:
            value, changes = reader.read(text, plain=plain)
        except reader.MalformedError as error:
            field = _place(store, position, error.field)
            offset = element.offset + error.offset
            broken = Broken(field, error.reason, text, offset, position)
            yield _quarantined(key, rule.kind, broken)
            continue
        if type(value) is not dict and rule.handler in _OBJECTS_ONLY:
            field = _place(store, position)
            broken = Broken(field, "NOT_AN_OBJECT", text, element.offset, position)
            yield _quarantined(key, rule.kind, broken)
            continue
        first = True
        for item in handle(value, element.raw, element.label):
            item.position = position
            item.offset = element.offset
            if first:
                item.warnings += changes + inspect(text)
                first = False
            yield item
    for broken in store.broken:
        yield _quarantined(key, rule.kind, broken)
    for leftover in store.leftovers:
        name = leftover.field
        yield kept(context, key, leftover.raw, name=name, sub_id=name, offset=leftover.offset)


def _place(store: Store, position: int, field: str | None = None) -> str:
    return ".".join(each for each in (store.where, str(position), field) if each)


def _quarantined(key: str, kind: Kind, broken: Broken) -> Item:
    warnings = (Warn("QUARANTINED", None, f"{len(broken.raw)} bytes"),)
    return Item(
        key=key,
        kind=kind,
        verdict=Verdict.INVALID,
        reason=broken.reason,
        field=safe(broken.field)[0] if broken.field else None,
        offset=broken.offset,
        position=broken.position,
        warnings=warnings,
        raw=broken.raw,
    )
