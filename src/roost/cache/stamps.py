"""Since which tick a workspace's tables are as they are, as far as this worker has heard."""

import time
from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Final
from uuid import UUID

from roost.journal.listener import Heard, Listener

_MOST: Final = 10_000
"""Workspaces of which each tick is known; of the others only that they were not touched later."""
_ALL: Final = ""
"""Stands for a table that was attached after this worker has started: whatever it is."""


class Stamps:
    """What the stamp of a value has to be for the value to be shown."""

    def __init__(self, listener: Listener, relations: Mapping[int, str]) -> None:
        """Listen; `relations` gives the names of tables by their ids in the journal."""
        self._listener = listener
        self._relations = relations
        self._floor = listener.applied
        self._touched: OrderedDict[UUID, dict[str, int]] = OrderedDict()
        self._written: dict[UUID, float] = {}
        listener.subscribe(self._heard)

    @property
    def now(self) -> int:
        """The stamp of what was read a moment ago and that nothing is known to have touched."""
        return self._listener.applied

    def begin(self) -> None:
        """Know nothing of what was before."""
        self._floor = self._listener.applied
        self._touched.clear()

    def committed(self, workspace_id: UUID) -> None:
        """Be told of a commit of this worker: until its tick is heard of, no stamp tells of it."""
        if len(self._written) >= _MOST:
            self._written = {
                each: moment for each, moment in self._written.items() if not self._is_told(moment)
            }
        self._written[workspace_id] = time.monotonic()

    def least(self, workspace_id: UUID, tables: Collection[str]) -> int | None:
        """Give the least stamp that will do, None when none does at present."""
        moment = self._written.get(workspace_id)
        if moment is not None:
            if not self._is_told(moment):
                return None
            del self._written[workspace_id]
        touched = self._touched.get(workspace_id, {})
        return max(self._floor, *(touched.get(table, 0) for table in (_ALL, *tables)))

    def _is_told(self, moment: float) -> bool:
        """Whether everybody was told of all that was committed before a moment."""
        ticker = self._listener.ticker
        looked_at = time.monotonic() - ticker.age
        return looked_at > moment and self._listener.applied == ticker.latest

    def _heard(self, heard: Heard) -> None:
        for workspace_id, relations in heard.touched.items():
            if workspace_id is None:
                continue
            ticks = self._touched.setdefault(workspace_id, {})
            self._touched.move_to_end(workspace_id)
            for each in relations:
                ticks[self._relations.get(each, _ALL)] = heard.until
        while len(self._touched) > _MOST:
            _, ticks = self._touched.popitem(last=False)
            self._floor = max(self._floor, *ticks.values())
