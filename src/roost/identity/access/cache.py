"""What a worker remembers of credentials, so that the hot path is a dictionary look-up.

Only a worker that hears of changes of rights may remember anything: the cache is off until the
listener turns it on, and off again as soon as the listener is cut off.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass

from roost.web.principal import Principal

Key = tuple[bytes, str | None, bool]
"""SHA-256 of the credential, the workspace asked for, whether it came as a bearer token."""


@dataclass(slots=True)
class Remembered:
    """A principal, until when it may be used, and when its use is to be noted next.

    Both are moments of `time.monotonic`.
    """

    principal: Principal
    until: float
    note_at: float


class PrincipalCache:
    """A bounded, least-recently-used memory. Everything runs on one event loop; no locks."""

    def __init__(self, *, size: int = 10_000, max_age: float = 30.0) -> None:
        self.max_age = max_age
        self._size = size
        self._entries: OrderedDict[Key, Remembered] = OrderedDict()
        self._generation = 0
        self._enabled = False

    @property
    def enabled(self) -> bool:
        """Whether the worker hears of changes, so that it may remember."""
        return self._enabled

    @property
    def generation(self) -> int:
        """Counts the changes heard of. Read it before a query; give it to `remember`."""
        return self._generation

    def find(self, key: Key) -> Remembered | None:
        """Give what is remembered and still good."""
        found = self._entries.get(key)
        if found is None:
            return None
        if time.monotonic() >= found.until:
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return found

    def remember(self, key: Key, entry: Remembered, generation: int) -> None:
        """Keep it, unless rights may have changed since `generation` was read."""
        if not self._enabled or generation != self._generation:
            return
        self._entries[key] = entry
        self._entries.move_to_end(key)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)

    def forget(self) -> None:
        """Forget everything, and what is being read right now as well."""
        self._generation += 1
        self._entries.clear()

    def enable(self) -> None:
        """Start to remember: changes are heard of from now on."""
        self.forget()
        self._enabled = True

    def disable(self) -> None:
        """Stop to remember: changes may go unheard."""
        self._enabled = False
        self.forget()
