"""Secrets never reach the journal, and large columns only when they change."""

import uuid
from itertools import pairwise

import pytest

from roost.journal.entry import load_layouts
from tests.journal.database import Journaled


async def test_excluded_columns_never_reach_the_journal(database: Journaled) -> None:
    await database.table("id int primary key, secret text, n int", exclude=["secret"])
    await database.owner.execute("insert into t values (1, 'fake-secret-a', 1)")
    await database.owner.execute("update t set n = 2")
    await database.owner.execute("update t set secret = 'fake-secret-b'")
    await database.owner.execute("update t set id = 2")
    await database.owner.execute("delete from t")
    superuser = await database.connect()
    assert await superuser.fetchval("select count(*) from journal.journal") == 6
    leaked = await superuser.fetchval(
        "select count(*) from journal.journal j where j::text like '%fake-secret%'"
    )
    assert leaked == 0
    entries = await database.new_entries()
    # A change of the secret alone is still a change.
    assert [e.op for e in entries] == ["I", "U", "U", "D", "I", "D"]
    assert await database.values(entries[0]) == {"id": "1", "n": "1"}


async def test_the_row_itself_keeps_what_the_journal_leaves_out(database: Journaled) -> None:
    await database.table(
        "id int primary key, secret text, big text", exclude=["secret"], large=["big"]
    )
    await database.owner.execute("insert into t values (1, 's', 'b')")
    await database.owner.execute("update t set id = 2")
    await database.owner.execute("update t set secret = 's2'")
    assert tuple(await database.owner.fetchrow("select * from t") or ()) == (2, "s2", "b")


@pytest.mark.parametrize("size", [10, 1_000, 100_000])
async def test_large_columns_are_stored_again_only_when_touched(
    database: Journaled, size: int
) -> None:
    await database.table("id int primary key, n int, big text, more text", large=["big", "more"])
    big = '\n"big" '.join(uuid.uuid4().hex for _ in range(size // 38 + 1))
    await database.owner.execute("insert into t values (1, 1, $1, 'm')", big)
    await database.owner.execute("update t set n = 2")
    await database.owner.execute("update t set n = n, big = big || ''")
    await database.owner.execute("update t set big = big || '!'")
    await database.owner.execute("update t set big = null, n = 3")
    await database.owner.execute("update t set more = null, n = 4")
    await database.owner.execute("alter table t drop n")
    await database.owner.execute("update t set more = 'x'")
    superuser = await database.connect()
    kept = await superuser.fetch("select kept from journal.journal order by seq")
    assert [row["kept"] for row in kept] == [None, [3, 4], [4], [4], None, None]
    entries = await database.new_entries()
    assert len(entries) == len(kept)
    for before, after in pairwise(entries[:-1]):
        assert after.old == before.new
    layouts = await load_layouts(database.owner, {entry.layout for entry in entries})
    assert [layouts[e.layout].values(e.old or "")["big"] for e in entries[1:4]] == [
        big,
        big,
        big + "!",
    ]
