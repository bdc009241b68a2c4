"""Intervals as the protocol's clients are given them: ISO 8601, `P1DT2H3M4S`.

The journal has them as PostgreSQL writes them by default, which costs writers nothing.
"""

import re
from typing import Final

STYLE: Final = "iso_8601"
"""What PostgreSQL calls it."""
_UNITS: Final = {"year": "Y", "mon": "M", "day": "D"}
_DATE: Final = re.compile(r"([+-]?\d+) (year|mon|day)s?")
_TIME: Final = re.compile(r"([+-]?)(\d+):(\d\d):(\d\d)(?:\.(\d+))?$")
_ELEMENT: Final = re.compile(r'"([^"]*)"|[^{},"]+')


def iso(text: str) -> str:
    """Write an interval of the style `postgres` as PostgreSQL does in the style `iso_8601`."""
    date = "".join(f"{int(number)}{_UNITS[unit]}" for number, unit in _DATE.findall(text))
    found = _TIME.search(text)
    if found is None:
        return f"P{date}" if date else text
    sign, hours, minutes, seconds, fraction = found.groups()
    sign = "-" if sign == "-" else ""
    parts = [f"{sign}{int(n)}{unit}" for n, unit in ((hours, "H"), (minutes, "M")) if int(n)]
    if int(seconds) or fraction:
        parts.append(f"{sign}{int(seconds)}{f'.{fraction}' if fraction else ''}S")
    if not date and not parts:
        return "PT0S"
    return f"P{date}T{''.join(parts)}" if parts else f"P{date}"


def iso_array(text: str) -> str:
    """Write each element of an array of them so; bounds and NULLs stay."""
    bounds, equals, elements = text.rpartition("=")
    return bounds + equals + _ELEMENT.sub(_element, elements)


def _element(found: re.Match[str]) -> str:
    element = found[0] if found[1] is None else found[1]
    return iso(element) if element != "NULL" else element
