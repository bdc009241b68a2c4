"""Places in a shape's log: `<lsn>_<op>`, as clients carry them about.

A transaction's lsn is made of the tick that made it visible and of its place in that tick. Lsns
are even, with room between and at the end of a tick, so that clients may go on from `<lsn>_0`
past a whole transaction.
"""

import re
from dataclasses import dataclass
from typing import Final

_PLACES: Final = 20
LAST_IN_TICK: Final = (1 << _PLACES) - 1
_REAL: Final = re.compile(r"([0-9]{1,20})_([0-9]{1,20}|inf)")
_ENDLESS: Final = 1 << 63


def lsn_of(tick: int, index: int) -> int:
    """The lsn of the transaction at `index` (from 0) of a tick."""
    return (tick << _PLACES) | min(2 * (index + 1), LAST_IN_TICK - 1)


def end_of(tick: int) -> int:
    """An lsn that no transaction has, after all of a tick."""
    return (tick << _PLACES) | LAST_IN_TICK


@dataclass(frozen=True, slots=True, order=True)
class Offset:
    """A place after an entry of the log. Lsn 0 is the snapshot, whose chunks `op` counts."""

    lsn: int
    op: int

    @property
    def tick(self) -> int:
        """The tick it lies in; 0 within the snapshot."""
        return self.lsn >> _PLACES

    @property
    def is_virtual(self) -> bool:
        """Whether it lies within the snapshot, or at its end."""
        return self.lsn == 0

    @property
    def ends_tick(self) -> bool:
        """Whether nothing of its tick comes after it."""
        return self.lsn & LAST_IN_TICK == LAST_IN_TICK

    def __str__(self) -> str:
        """As clients are told it."""
        return f"{self.lsn}_{'inf' if self.op >= _ENDLESS else self.op}"


BEFORE_ALL: Final = Offset(-1, 0)
"""`-1`: nothing is known yet."""
NOW: Final = Offset(-2, 0)
"""`now`: what was before is not wanted."""
SNAPSHOT_END: Final = Offset(0, _ENDLESS)
"""`0_inf`: the whole snapshot is known, and nothing of the log."""


def end_of_tick(tick: int) -> Offset:
    """The place after all that a tick holds."""
    return Offset(end_of(tick), 0)


def read_offset(text: str) -> Offset | None:
    """Read what a client sends; None when it is no offset."""
    if text == "-1":
        return BEFORE_ALL
    if text == "now":
        return NOW
    match = _REAL.fullmatch(text)
    if match is None:
        return None
    lsn = int(match[1])
    op = _ENDLESS if match[2] == "inf" else min(int(match[2]), _ENDLESS)
    return Offset(lsn, op) if lsn < 1 << 64 else None
