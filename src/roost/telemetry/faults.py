"""Errors of the server's own, recognised again: by what was raised, where, and on which route."""

import hashlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple

_PACKAGE: Final = str(Path(__file__).parents[1])
_PLACES: Final = 3


class Fault(NamedTuple):
    """A kind of error. `place` is Roost's innermost code; nothing that was said is in it."""

    fingerprint: str
    kind: str
    place: str
    route: str
    status: int


class Faults(NamedTuple):
    """How often a fault was met since, last when and in which trace."""

    fault: Fault
    number: int
    at: datetime
    trace_id: str


def fault_of(error: BaseException | None, route: str, status: int) -> Fault:
    """Recognise it; without an exception it is known by its status."""
    kind = type(error).__qualname__ if error is not None else f"HTTP {status}"
    frames = list(_ours(error.__traceback__)) if error is not None else []
    # Not by line: a fault stays the same when something is added above it.
    place = " < ".join(reversed(frames[-_PLACES:]))
    text = "\n".join((kind, place, route, str(status)))
    return Fault(hashlib.sha256(text.encode()).hexdigest()[:16], kind, place, route, status)


def _ours(trace: TracebackType | None) -> Iterator[str]:
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename.startswith(_PACKAGE):
            module = code.co_filename[len(_PACKAGE) + 1 :].removesuffix(".py").replace("/", ".")
            yield f"{module}:{code.co_qualname if hasattr(code, 'co_qualname') else code.co_name}"
        trace = trace.tb_next
