"""Changes of one row in one transaction, put into the order in which they were made."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from roost.journal.entry import Entry, Op
from roost.journal.net import UNKNOWN, Image, in_order, net, ordered, repaired
from tests.journal.database import Journaled

IMAGES = st.lists(st.one_of(st.none(), st.sampled_from("abcd")), min_size=2, max_size=9)


def entry(seq: int, old: Image, new: Image, *, row_id: str = "1", xid: int = 5) -> Entry:
    op: Op = "I" if old is None else "D" if new is None else "U"
    return Entry(
        seq=seq,
        xid=xid,
        at=datetime(2026, 1, 1, tzinfo=UTC),
        actor_id=None,
        cause=None,
        workspace_id=None,
        relation=1,
        layout=1,
        row_id=row_id,
        op=op,
        old=old,
        new=new,
    )


def apply(entries: Sequence[Entry], state: Image) -> Image:
    for change in entries:
        assert change.old == state
        state = change.new
    return state


@given(IMAGES, st.randoms(use_true_random=False))
def test_any_order_is_put_right_when_the_image_before_is_known(
    images: list[Image], random: Random
) -> None:
    links = [link for link in pairwise(images) if link[0] != link[1]]
    random.shuffle(links)
    chain = [entry(seq, *link) for seq, link in enumerate(links)]
    path = ordered(chain, images[0])
    assert sorted(change.seq for change in path) == list(range(len(chain)))
    assert apply(path, images[0]) == images[-1]


@given(IMAGES, st.randoms(use_true_random=False))
def test_net_needs_no_image_before_unless_the_changes_go_in_a_circle(
    images: list[Image], random: Random
) -> None:
    links = [link for link in pairwise(images) if link[0] != link[1]]
    random.shuffle(links)
    chain = [entry(seq, *link) for seq, link in enumerate(links)]
    if images[0] != images[-1]:
        assert net(chain) == (images[0], images[-1])
    elif chain:
        assert net(chain, images[0]) == (images[0], images[0])
        first, last = net(chain)
        assert first == last


@given(IMAGES)
def test_what_is_in_order_stays_as_it_is(images: list[Image]) -> None:
    chain = [entry(seq, *link) for seq, link in enumerate(pairwise(images))]
    assert in_order(chain, images[0])
    assert in_order(chain, UNKNOWN)
    assert ordered(chain) == chain
    assert repaired(chain) == chain


def test_a_chain_with_a_missing_link_comes_as_it_was() -> None:
    chain = [entry(1, "x", "y"), entry(2, "a", "b")]
    assert ordered(chain) == chain


def test_only_the_changes_of_the_disordered_row_change_places() -> None:
    window = [
        entry(1, None, "a", row_id="1"),
        entry(2, "b", "c", row_id="2"),
        entry(3, None, "b", row_id="2"),
        entry(4, "c", "d", row_id="2", xid=6),
    ]
    assert [change.seq for change in repaired(window)] == [1, 3, 2, 4]


def test_an_earlier_transaction_tells_where_a_circle_begins() -> None:
    window = [
        entry(1, None, "a"),
        entry(2, "b", "a", xid=6),
        entry(3, "a", "b", xid=6),
    ]
    assert [change.seq for change in repaired(window)] == [1, 3, 2]
    assert [change.seq for change in repaired(window[1:], {(1, "1"): "a"})] == [3, 2]


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
