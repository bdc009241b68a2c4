"""Changes of one row in one transaction, put into the order in which they were made."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roost.journal.entry import Entry, Op
from roost.journal.net import Image, in_order, net, ordered, repaired
from tests.journal.database import Journaled

# The images a row takes within a transaction, the one it had before at first; None: no row.
IMAGES = st.lists(st.one_of(st.none(), st.sampled_from("abc")), min_size=2, max_size=9)


def entry(
    seq: int,
    old: tuple[Image, int],
    new: tuple[Image, int],
    **of: Any,
) -> Entry:
    """A change from an image at a place to an image at a place."""
    op: Op = "I" if old[0] is None else "D" if new[0] is None else "U"
    plain = Entry(
        seq=seq,
        xid=5,
        at=datetime(2026, 1, 1, tzinfo=UTC),
        actor_id=None,
        cause=None,
        workspace_id=None,
        relation=1,
        layout=1,
        row_id="1",
        op=op,
        old=old[0],
        new=new[0],
        old_ctid=None if old[0] is None else (0, old[1]),
        new_ctid=None if new[0] is None else (0, new[1]),
    )
    return replace(plain, **of)


def changes(images: Sequence[Image], **of: Any) -> list[Entry]:
    """A row's changes from image to image, in order; equal images are updates too."""
    versions = [(image, place) for place, image in enumerate(images)]
    links = [link for link in pairwise(versions) if link[0][0] or link[1][0]]
    return [entry(seq, *link, **of) for seq, link in enumerate(links)]


def shuffled(chain: Sequence[Entry], random: Random) -> list[Entry]:
    """The same changes, journaled in another order."""
    order = random.sample(range(len(chain)), len(chain))
    return sorted(
        (replace(change, seq=seq) for change, seq in zip(chain, order, strict=True)),
        key=lambda change: change.seq,
    )


def apply(entries: Sequence[Entry], state: Image) -> Image:
    for change in entries:
        assert change.old == state
        state = change.new
    return state


@settings(deadline=None)
@given(IMAGES, st.randoms(use_true_random=False))
def test_changes_in_any_order_are_put_right(images: list[Image], random: Random) -> None:
    chain = shuffled(changes(images), random)
    path = ordered(chain)
    assert sorted(change.seq for change in path) == list(range(len(chain)))
    assert apply(path, images[0]) == images[-1]
    if chain:
        assert net(chain) == (images[0], images[-1])


@settings(deadline=None)
@given(IMAGES, IMAGES, st.randoms(use_true_random=False))
def test_rows_transactions_and_layouts_are_kept_apart(
    one: list[Image], other: list[Image], random: Random
) -> None:
    apart: list[dict[str, Any]] = [{"row_id": "2"}, {"xid": 6}, {"layout": 2}]
    for difference in apart:
        first, second = changes(one), changes(other, **difference)
        window = [*shuffled(first, random), *shuffled(second, random)]
        fixed = repaired(window)
        assert apply(fixed[: len(first)], one[0]) == one[-1]
        assert apply(fixed[len(first) :], other[0]) == other[-1]


@settings(deadline=None)
@given(IMAGES)
def test_what_is_in_order_stays_as_it_is(images: list[Image]) -> None:
    chain = changes(images)
    assert in_order(chain)
    assert ordered(chain) == chain
    assert repaired(chain) == chain


@pytest.mark.parametrize(
    "links",
    [
        [(("x", 1), ("y", 2)), (("a", 3), ("b", 4))],
        [(("a", 1), ("b", 2)), (("b", 2), ("a", 1)), (("c", 5), ("d", 6))],
    ],
    ids=["missing", "circular"],
)
def test_changes_without_links_come_as_they_were(
    links: list[tuple[tuple[str, int], tuple[str, int]]],
) -> None:
    chain = [entry(seq, *link) for seq, link in enumerate(links)]
    assert ordered(chain) == chain


def test_only_the_changes_of_the_disordered_row_change_places() -> None:
    window = [
        entry(1, (None, 0), ("a", 1), row_id="1"),
        entry(2, ("b", 2), ("c", 3), row_id="2"),
        entry(3, (None, 0), ("b", 2), row_id="2"),
        entry(4, ("c", 3), ("d", 4), row_id="2", xid=6),
    ]
    assert [change.seq for change in repaired(window)] == [1, 3, 2, 4]


async def test_a_trigger_that_writes_another_row_of_its_statement_is_repaired(
    database: Journaled,
) -> None:
    await database.table("id int primary key, v text")
    await database.owner.execute(
        "create function meddle() returns trigger language plpgsql as $$ begin"
        " if new.id = 1 then update t set v = v || '!' where id = 2; end if; return null; end $$;"
        "create trigger meddle after insert or update on t for each row execute function meddle()"
    )
    await database.owner.execute("insert into t values (1, 'a'), (2, 'b')")
    await database.owner.execute("update t set v = v || v")
    entries = await database.new_entries()
    state: dict[str | None, Image] = {}
    for change in repaired(entries):
        assert state.get(change.row_id) == change.old
        state[change.row_id] = change.new
    rows = await database.owner.fetch("select id::text, t::text as image from t")
    assert state == {row["id"]: row["image"] for row in rows}
    # Without the repair it would not be so.
    assert {e.row_id: e.new for e in entries} != state


@pytest.mark.parametrize(
    "statements",
    [
        ["insert into t values (1, 'a'), (2, 'b')", "delete from t where id = 2"],
        [
            "insert into t values (1, 'a'), (2, 'b')",
            "delete from t",
            "insert into t values (1, 'a'), (2, 'b')",
        ],
        ["insert into t values (1, 'a'), (2, 'b!')", "update t set v = 'b'", "update t set v = v"],
        ["insert into t values (2, 'b')", "update t set v = v", "insert into t values (1, 'a')"],
        [
            "insert into t values (1, 'a'), (2, 'b')",
            "savepoint s",
            "update t set v = v",
            "update t set v = 'c' where id = 2",
            "update t set v = 'd'",
            "release s",
            "delete from t where id = 2",
        ],
    ],
)
async def test_no_repetition_of_images_misleads_the_repair(
    database: Journaled, statements: list[str]
) -> None:
    await database.table("id int primary key, v text")
    await database.owner.execute(
        "create function meddle() returns trigger language plpgsql as $$ begin"
        " if new.id = 1 then update t set v = new.v || '!' where id = 2;"
        " update t set v = 'b' where id = 2; end if; return null; end $$;"
        "create trigger meddle after insert or update on t for each row execute function meddle()"
    )
    async with database.owner.transaction():
        for statement in statements:
            await database.owner.execute(statement)
    state: dict[str | None, Image] = {}
    for change in repaired(await database.new_entries()):
        assert state.get(change.row_id) == change.old
        state[change.row_id] = change.new
    rows = await database.owner.fetch("select id::text, t::text as image from t")
    assert {key: image for key, image in state.items() if image is not None} == {
        row["id"]: row["image"] for row in rows
    }
