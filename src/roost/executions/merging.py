"""Several records as one, by time: each is in an order of its own, and stays in it."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar


class Timed(Protocol):
    """A part of a record: `place` is where in it, `silent` says that nobody is told of it."""

    place: int
    time: int
    silent: bool


T = TypeVar("T", bound=Timed)


@dataclass(slots=True)
class Source(Generic[T]):
    """What was read of a record after `place`; `has_more` says that it goes on after that."""

    place: int
    items: deque[T] = field(default_factory=deque)
    has_more: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nothing comes any more that anybody is told of."""
        return not self.has_more and all(item.silent for item in self.items)


def merge(sources: Sequence[Source[T]], most: int) -> list[T]:
    """Take the earliest of all sources again and again, of equally early ones the first source's.

    Ends with `most` items, or before as soon as a source must be read on to know what comes. What
    was taken depends on nothing but the sources' places: parts put together are the whole.
    """
    taken: list[T] = []
    while len(taken) < most and not any(each.has_more and not each.items for each in sources):
        ready = [each for each in sources if each.items]
        if not ready:
            break
        source = min(ready, key=lambda each: each.items[0].time)
        item = source.items.popleft()
        source.place = item.place
        if not item.silent:
            taken.append(item)
    return taken
