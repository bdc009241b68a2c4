"""Preferences taken back: members of one row, each by itself."""

from typing import Any

import msgspec

from roost.db.pool import Transaction
from roost.migration import writes
from roost.migration.archive import Archive
from roost.migration.content import digest
from roost.migration.model import Verdict
from roost.migration.targets.preferences import PreferenceTarget
from roost.migration.targets.target import Found, Place

_ABSENT = "absent"


class PreferenceReversal:
    """Takes a migration's preferences back, or puts them back.

    `taken` is what there was before this: by key, its id, its `value`, and what was `left`.
    """

    def __init__(self, transaction: Transaction, place: Place, *, force: bool) -> None:
        self._transaction = transaction
        self._place = place
        self._force = force
        self._target = PreferenceTarget()
        self.taken: dict[str, dict[str, Any]] = {}
        self.kept: list[str] = []
        self.removed = 0
        self.restored = 0

    async def take_back(self, stop: int) -> None:
        """Give each preference written by an item before `stop` the value it had, or none."""
        rows = await self._transaction.rows(
            writes.WRITTEN_PREFERENCES,
            workspace=self._place.workspace_id,
            migration=self._place.migration_id,
            stop=stop,
        )
        for row in rows:
            self._target.know(str(row["written_id"]), row["written_key"])
        ids = [str(row["written_id"]) for row in rows]
        present = await self._found(ids)
        for row in rows:
            target_id = str(row["written_id"])
            now = present.get(target_id)
            if now is None:
                continue
            if digest(now.normal()) != row["digest"] and not self._force:
                self.kept.append(target_id)
                continue
            before: dict[str, Any] = {}
            if row["verdict"] != Verdict.CREATE and row["resolution"] != "keepBoth":
                before = msgspec.json.decode(row["conflict"])["existing"]
            await self._set(row["written_key"], target_id, now, before)

    async def put_back(self, archive: Archive) -> None:
        """Give each preference that an undo has changed the value it had before that."""
        for key, entry in archive.preferences.items():
            self._target.know(entry["id"], key)
        present = await self._found([each["id"] for each in archive.preferences.values()])
        for key, entry in archive.preferences.items():
            now = present.get(entry["id"])
            left = now.values()["value"] if now is not None else None
            moved = (now is None) is not (_ABSENT in entry) or left != entry.get("left")
            if moved and not self._force:
                self.kept.append(entry["id"])
                continue
            await self._set(key, entry["id"], now, {"value": entry["value"]})

    async def _found(self, ids: list[str]) -> dict[str, Found]:
        if not ids:
            return {}
        await self._target.lock(self._transaction, self._place)
        return await self._target.found(self._transaction, self._place, ids)

    async def _set(
        self, key: str, target_id: str, now: Found | None, before: dict[str, Any]
    ) -> None:
        entry: dict[str, Any] = {"id": target_id}
        if now is not None:
            entry["value"] = now.values()["value"]
        if "value" in before:
            await self._target.restore(self._transaction, self._place, target_id, before)
            entry["left"] = before["value"]
            self.restored += 1
        else:
            await self._target.take_back(self._transaction, self._place, [target_id])
            entry[_ABSENT] = True
            self.removed += 1
        self.taken[key] = entry
