"""Where a browser may be sent after a log-in: our own paths, and addresses that were named."""

import re
from collections.abc import Collection

from roost import errors
from roost.errors import ProblemError

AFTER_LOGIN = "/docs"
LONGEST = 2000
_MOST_ENCODED = re.compile(r"%(?:2f|5c|0[0-9a-f]|1[0-9a-f]|7f)", re.IGNORECASE)
# What RFC 3986 lets stand in a path with a query, and nothing that a browser would read otherwise.
_PATH = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@%?/-]*)(?:#[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?")


def way_back(wanted: str | None, allowed: Collection[str] = ()) -> str:
    """Check where somebody wants to go after the log-in; RETURN_REFUSED unless that is safe."""
    if not wanted:
        return AFTER_LOGIN
    if wanted in allowed or is_local(wanted):
        return wanted
    raise ProblemError(errors.RETURN_REFUSED)


def is_local(path: str) -> bool:
    """Whether it is a path on this Roost, in every browser's reading of it."""
    if len(path) > LONGEST or not _PATH.fullmatch(path):
        return False
    before = path.partition("?")[0].partition("#")[0]
    # An encoded slash, backslash or control character might be decoded on the way.
    return "//" not in before and not _MOST_ENCODED.search(before)
