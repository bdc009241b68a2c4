"""Several records become one, and however it is cut, the parts are the whole."""

from collections import deque
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from roost.executions.merging import Source, merge


@dataclass
class Item:
    source: int
    place: int
    time: int
    silent: bool


RECORDS = st.lists(
    st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=12).map(sorted),
    min_size=1,
    max_size=4,
)


def records(drawn: list[list[tuple[int, bool]]]) -> list[list[Item]]:
    return [
        [Item(number, place, time, silent) for place, (time, silent) in enumerate(record, 1)]
        for number, record in enumerate(drawn)
    ]


def read(whole: list[list[Item]], places: list[int], most: list[int]) -> list[Source[Item]]:
    """Read some items of each record after a place, as a statement does."""
    found = []
    for record, place, limit in zip(whole, places, most, strict=True):
        items = record[place : place + limit]
        found.append(Source(place, deque(items), len(items) == limit))
    return found


@given(RECORDS, st.data())
def test_parts_of_any_size_are_the_whole_in_order(
    drawn: list[list[tuple[int, bool]]], data: st.DataObject
) -> None:
    whole = records(drawn)
    spoken = [item for record in whole for item in record if not item.silent]
    expected = sorted(spoken, key=lambda item: (item.time, item.source))
    found: list[Item] = []
    places = [0] * len(whole)
    is_over = False
    while not is_over:
        most = [data.draw(st.integers(1, 5)) for _ in whole]
        sources = read(whole, places, most)
        found += merge(sources, data.draw(st.integers(1, 6)))
        places = [source.place for source in sources]
        is_over = all(source.is_over for source in sources)
    assert found == expected


def test_of_what_happened_at_once_the_first_sources_comes_first() -> None:
    sources = [Source(0, deque([Item(number, 1, 5, silent=False)])) for number in range(3)]
    assert [item.source for item in merge(sources, 9)] == [0, 1, 2]


def test_a_source_that_is_not_read_to_its_end_is_waited_for() -> None:
    late = Source(0, deque([Item(0, 1, 9, silent=False)]))
    unread: Source[Item] = Source(0, deque(), has_more=True)
    assert merge([late, unread], 9) == []
    assert late.place == 0
