"""Processor time of processes, from /proc."""

import os
from collections import defaultdict
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
# Fields of /proc/<pid>/stat, counted from the one after the command's name.
_PARENT = 1
# User and system time of the process itself, and of its children that have ended.
_COUNTED = (11, 12, 13, 14)


def tree_seconds(pid: int) -> float:
    """Add up user and system seconds of a process and its descendants, also the ended ones."""
    stats = _all_stats()
    children = defaultdict(list)
    for process, fields in stats.items():
        children[int(fields[_PARENT])].append(process)
    ticks = 0
    waiting = [pid]
    while waiting:
        process = waiting.pop()
        fields = stats[process]
        ticks += sum(int(fields[n]) for n in _COUNTED)
        waiting.extend(children[process])
    return ticks / _TICKS


def _all_stats() -> dict[int, list[str]]:
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue  # it has ended meanwhile
            found[int(entry.name)] = text[text.rindex(")") + 2 :].split()
    return found
