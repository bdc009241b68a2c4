"""A tenant's changes, transaction by transaction, each with its place in the order of all."""

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import asyncpg

from roost.journal.entry import ENTRY_COLUMNS, Entry, Layout, entries_of, load_layouts
from roost.journal.net import repaired
from roost.sync.offsets import lsn_of
from roost.sync.source import Source

_KEPT: Final = 64
"""Windows that are kept for further shapes of the tenant."""
_COLUMNS: Final = f"tick, place, {ENTRY_COLUMNS}"


class ForgottenError(Exception):
    """The journal does not reach back so far."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change and its place in its transaction, from 0."""

    place: int
    entry: Entry


@dataclass(frozen=True, slots=True)
class Transaction:
    """What one transaction changed, in order."""

    tick: int
    lsn: int
    xid: int
    changes: tuple[Change, ...]


class Feed:
    """The changes of one workspace, or of a database without tenants.

    Each window is read once for all shapes of the tenant, and known layouts are kept.
    """

    def __init__(self, source: Source, workspace_id: UUID | None) -> None:
        self.workspace_id = workspace_id
        self.layouts: dict[int, Layout] = {}
        self._source = source
        self._windows: OrderedDict[tuple[int, int], asyncio.Future[list[Transaction]]]
        self._windows = OrderedDict()
        self._known_from: int | None = None
        self._known_until = 0
        self._touched: dict[int, int] = {}

    def learn(self, after: int, until: int, relations: Iterable[int]) -> None:
        """Be told which tables changed between two ticks, without a gap to what was told before."""
        if self._known_from is None or self._known_until != after:
            self._known_from = after
        self._known_until = until
        self._touched.update(dict.fromkeys(relations, until))

    def is_quiet(self, relations: Collection[int | None], after: int, until: int) -> bool:
        """Whether none of these tables changed between two ticks, as far as that is known."""
        if self._known_from is None or after < self._known_from or until > self._known_until:
            return False
        return all(self._touched.get(each or 0, 0) <= after for each in relations)

    async def transactions(self, after: int, until: int) -> list[Transaction]:
        """What became visible with the ticks after `after`, up to `until`. ForgottenError."""
        if after >= until:
            return []
        known = self._windows.get((after, until))
        if known is None:
            known = asyncio.ensure_future(self._read(after, until))
            self._windows[after, until] = known
            while len(self._windows) > _KEPT:
                self._windows.popitem(last=False)
        try:
            # Whoever leaves does not take it from the others.
            return await asyncio.shield(known)
        except asyncio.CancelledError:
            raise
        except BaseException:
            self._windows.pop((after, until), None)
            raise

    async def _read(self, after: int, until: int) -> list[Transaction]:
        async with self._source.reading(self.workspace_id) as connection:
            try:
                rows = await connection.fetch(
                    f"select {_COLUMNS} from journal.followed($1, $2, $3)",  # noqa: S608 -- constants
                    after,
                    until,
                    self.workspace_id,
                )
            except asyncpg.NoDataFoundError as error:
                raise ForgottenError(str(error)) from None
            entries = await entries_of(connection, [_bare(row) for row in rows], self.layouts)
            missing = {entry.layout for entry in entries} - self.layouts.keys()
            if missing:
                self.layouts.update(await load_layouts(connection, missing))
        return _grouped(rows, entries)


def _bare(row: Any) -> dict[str, Any]:  # noqa: ANN401 -- a record
    return {name: value for name, value in row.items() if name not in ("tick", "place")}


def _grouped(rows: Sequence[Any], entries: Sequence[Entry]) -> list[Transaction]:
    transactions: list[Transaction] = []
    start = 0
    for at in range(1, len(rows) + 1):
        if at < len(rows) and rows[at]["xid"] == rows[start]["xid"]:
            continue
        tick, place = rows[start]["tick"], rows[start]["place"]
        changes = tuple(Change(n, each) for n, each in enumerate(repaired(entries[start:at])))
        transactions.append(
            Transaction(tick, lsn_of(tick, place), int(rows[start]["xid"]), changes)
        )
        start = at
    return transactions
