"""Task stores of which the plan alone says what must be in the database now.

Their rows' ids and digests stand in the plan, and every message of theirs has an id of the
import's: reading the store again would tell nothing more.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from roost.migration.keys import Handler, rule_for

_LOOK_AT_TASKS: Final = {Handler.BACKUP, Handler.ROWS}
"""What is read otherwise when the tasks before it were not."""


class PlannedTasks(msgspec.Struct):
    """`spans` are those stores' places in the plan; `others` the first places of all other keys.

    Without `spans` all keys have to be read.
    """

    spans: list[tuple[int, int]]
    others: Mapping[str, int] | None = None

    async def parts(self, size: int) -> AsyncIterator[range]:
        """The places to look at, at most `size` at a time."""
        for start, stop in self.spans:
            for each in range(start, stop, size):
                yield range(each, min(each + size, stop))


def planned_tasks(keys: Sequence[Any]) -> PlannedTasks:
    """Find them among the plan's keys: records of `key`, `start`, `number`, `is_plain`."""
    handlers = {row["key"]: rule_for(row["key"]).handler for row in keys}
    stores = [row for row in keys if handlers[row["key"]] is Handler.TASKS]
    if not all(row["is_plain"] for row in stores) or _LOOK_AT_TASKS & set(handlers.values()):
        return PlannedTasks([])
    return PlannedTasks(
        [(row["start"], row["start"] + row["number"]) for row in stores],
        {row["key"]: row["start"] for row in keys if row not in stores},
    )
