"""A migration taken back, or one of its undos: rows by the journal, preferences by its items."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from roost.db.pool import Transaction
from roost.migration import writes
from roost.migration.archive import Archive, load_archive, store_archive
from roost.migration.reversal.changes import Reader
from roost.migration.reversal.preferences import PreferenceReversal
from roost.migration.reversal.reversing import Reversed, reverse
from roost.migration.reversal.rows import Rows, Sealed
from roost.migration.targets.sealing import unsealed
from roost.migration.targets.target import Place

_KINDS = {"tasks": "task", "environments": "environment", "documents": "document"}


class Kept(msgspec.Struct, rename="camel", omit_defaults=True):
    """A row that stayed, because somebody has changed it since: when, and who."""

    kind: str
    target_id: str
    changed_at: datetime | None = None
    changed_by: str | None = None


class Outcome(msgspec.Struct):
    """How many rows went, how many are what they were, and which stayed."""

    removed: int
    restored: int
    kept: list[Kept]


def cause(place: Place, number: int) -> str:
    """What the journal calls the migration (0), or one of its undos."""
    own = str(place.migration_id)
    return f"{own}/undo/{number}" if number else own


class Reversal:
    """One way back: of the migration (`number` None: it fails), by its n-th undo.

    `since` (aware) is before its first change.
    """

    def __init__(
        self,
        transaction: Transaction,
        place: Place,
        since: datetime,
        number: int | None = None,
        *,
        force: bool = False,
    ) -> None:
        self._transaction = transaction
        self._place = place
        self._since = since
        self._number = number
        self._force = force

    async def take_back(self, stop: int) -> Outcome:
        """Take everything back; preferences of items before position `stop`."""
        numbers = range(self._number or 1)
        archive = await self._archive(numbers)
        sealed = archive.secrets | await self._overwritten()
        settings = PreferenceReversal(self._transaction, self._place, force=self._force)
        await settings.take_back(stop)
        return await self._finish(numbers, sealed, settings)

    async def put_back(self) -> Outcome:
        """Take the undo before this one back."""
        numbers = [(self._number or 1) - 1]
        archive = await self._archive(numbers)
        settings = PreferenceReversal(self._transaction, self._place, force=self._force)
        await settings.put_back(archive)
        return await self._finish(numbers, archive.secrets, settings)

    async def _finish(
        self, numbers: Sequence[int], sealed: Sealed, settings: PreferenceReversal
    ) -> Outcome:
        place = self._place
        own = [cause(place, each) for each in range((self._number or 0) + 1)]
        reader = Reader(
            self._transaction, place.workspace_id, [own[each] for each in numbers], self._since
        )
        rows = Rows(self._transaction, place.workspace_id, sealed)
        done = await reverse(reader, rows, own, force=self._force)
        if self._number is not None:
            taken = Archive(secrets=rows.taken, preferences=settings.taken)
            await store_archive(self._transaction, place, self._number, taken)
        await self._tell(rows)
        return _outcome(done, settings)

    async def _archive(self, numbers: Sequence[int]) -> Archive:
        """What earlier undos have taken away, of those that are to be taken back now."""
        whole = Archive(secrets={}, preferences={})
        for number in numbers:
            if number:
                part = await load_archive(self._transaction, self._place, number)
                whole.secrets |= part.secrets
                whole.preferences |= part.preferences
        return whole

    async def _overwritten(self) -> Sealed:
        """The sealed values that the migration has written over: the journal has none."""
        rows = await self._transaction.rows(
            writes.CONFLICTS,
            workspace=self._place.workspace_id,
            migration=self._place.migration_id,
        )
        sealed: Sealed = {}
        for row in rows:
            target = str(row["target_id"])
            before = unsealed(msgspec.json.decode(row["conflict"])["existing"])
            for name, value in before.items():
                sealed[f"{target}/{name}" if row["kind"] == "environment" else target] = value
        return sealed

    async def _tell(self, rows: Rows) -> None:
        """Write down which secrets went and which came."""
        told = (
            ("secret.deleted", rows.taken.keys() - rows.put_back),
            ("secret.set", rows.put_back),
        )
        for action, places in told:
            kinds: dict[str, dict[str, list[str]]] = {"environment": {}, "kept_secret": {}}
            for each in sorted(places):
                target, slash, name = each.partition("/")
                known = kinds["environment" if slash else "kept_secret"].setdefault(target, [])
                known.extend([name] if slash else [])
            for kind, names in kinds.items():
                await self._place.tell(self._transaction, action, kind, names)


def _outcome(done: Reversed, settings: PreferenceReversal) -> Outcome:
    kept = [
        Kept(
            _KINDS.get(unit.table, "secret"),
            unit.id,
            unit.edit.at if unit.edit else None,
            str(unit.edit.by) if unit.edit and unit.edit.by else None,
        )
        for unit in done.kept
    ]
    kept += [Kept("preference", each) for each in settings.kept]
    return Outcome(done.removed + settings.removed, done.restored + settings.restored, kept)
