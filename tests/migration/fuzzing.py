"""Fuzzes the parsers of a migration, led by coverage: `python -m tests.migration.fuzzing TARGET`.

Takes libFuzzer's options, and ends with a traceback and the input when something does not hold.
"""

import sys
from collections.abc import Callable

import atheris  # type: ignore[import-untyped]  # it has no types

with atheris.instrument_imports(include=["roost.migration"]):
    from roost.errors import ProblemError
    from roost.migration.keys import EXACT, PREFIXES
    from roost.migration.request import read_start
    from roost.migration.sources import SourceError, read_dump
    from tests.migration.parsing import NOW
    from tests.migration.test_properties import hold, hold_raw

_KEYS = (*EXACT, *(f"{prefix}x" for prefix, _ in PREFIXES), "mine")


def value(data: bytes) -> None:
    """A raw string under some key; octets that are no UTF-8 stand for lone surrogates."""
    if data:
        raw = data[1:].decode("utf-8", "surrogateescape")
        hold({_KEYS[data[0] % len(_KEYS)]: raw})


def file(data: bytes) -> None:
    """A file that may be a dump: it is refused, or all of it is accounted for."""
    for content in (data, bytearray(data)):
        try:
            dump = read_dump(content, now=NOW)
        except SourceError:
            return
        hold_raw(dump.keys)


def body(data: bytes) -> None:
    """The body of a request: it is refused with a problem, or taken."""
    try:
        read_start(data)
    except ProblemError:
        return


TARGETS: dict[str, Callable[[bytes], None]] = {"value": value, "file": file, "body": body}


if __name__ == "__main__":
    target = TARGETS[sys.argv[1]]
    atheris.Setup([sys.argv[0], *sys.argv[2:]], target)
    atheris.Fuzz()
