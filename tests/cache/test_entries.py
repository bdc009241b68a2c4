"""What is kept stays within its bounds, and what is dropped is gone."""

from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from roost.cache.entries import OVERHEAD, Entries, Key

LIMIT = 20 * OVERHEAD
WORKSPACES = [UUID(int=number) for number in range(3)]
TABLES = ["tasks", "messages", "environments"]
_keys = st.builds(
    Key, st.sampled_from(WORKSPACES), st.none(), st.sampled_from([b"a", b"b", b"c", b"d"])
)
_tables = st.frozensets(st.sampled_from(TABLES), min_size=1)
_step = st.one_of(
    st.tuples(st.just("put"), _keys, _tables, st.integers(0, LIMIT // 4)),
    st.tuples(st.just("get"), _keys, st.none(), st.none()),
    st.tuples(
        st.just("drop"),
        st.none() | st.sampled_from(WORKSPACES),
        st.none() | st.sets(st.sampled_from(TABLES)),
        st.none(),
    ),
)


@given(st.lists(_step, max_size=40))
def test_nothing_is_given_that_was_dropped_and_the_limit_holds(
    steps: list[tuple[Any, ...]],
) -> None:
    entries: Entries[int] = Entries(LIMIT)
    there: dict[Key, tuple[int, frozenset[str]]] = {}
    for number, (what, which, tables, size) in enumerate(steps):
        if what == "put":
            entries.put(which, number, tables, size)
            there[which] = (number, tables)
        elif what == "get":
            found = entries.get(which)
            assert found is None or found == there[which][0]
        else:
            entries.drop(which, tables)
            for key in list(there):
                mine = which is None or key.workspace_id == which
                if mine and (tables is None or there[key][1] & tables):
                    del there[key]
        assert entries.bytes <= LIMIT
        assert all(entries.get(key) is None for key in _all() if key not in there)
    entries.drop(None, None)
    assert (len(entries), entries.bytes) == (0, 0)


def _all() -> list[Key]:
    return [Key(each, None, asked) for each in WORKSPACES for asked in (b"a", b"b", b"c", b"d")]


def test_what_was_used_last_stays_longest() -> None:
    entries: Entries[str] = Entries(LIMIT)
    keys = [Key(WORKSPACES[0], None, b"%d" % number) for number in range(30)]
    for key in keys:
        entries.put(key, "value", frozenset({"tasks"}), 0)
        entries.get(keys[0])
    assert entries.get(keys[0]) == "value"
    assert entries.get(keys[1]) is None
    assert entries.get(keys[-1]) == "value"


def test_one_large_value_does_not_put_all_others_out() -> None:
    entries: Entries[str] = Entries(LIMIT)
    small, large = (Key(WORKSPACES[0], None, asked) for asked in (b"small", b"large"))
    entries.put(small, "small", frozenset({"tasks"}), 0)
    entries.put(large, "large", frozenset({"tasks"}), LIMIT)
    assert (entries.get(small), entries.get(large)) == ("small", None)
