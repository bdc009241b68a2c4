"""Words leave the journal; who did what when, and in which order, stays."""

import uuid
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roost.journal.entry import Entry
from roost.journal.net import net
from roost.journal.record import parse_record
from tests.journal.database import APP, Journaled
from tests.journal.test_record import ROWS, written

ANN, BOB = uuid.UUID(int=0xA), uuid.UUID(int=0xB)
HERE, THERE = uuid.UUID(int=1), uuid.UUID(int=2)
TABLE = "id int primary key, workspace_id uuid, user_id uuid, a text, b text not null, c jsonb"
SKELETON = (
    "select seq, xid, at, actor_id, cause, workspace_id, relation, layout, row_id, op, kept,"
    " old_ctid, new_ctid, old is null, new is null from journal.journal order by seq"
)
IMAGES = "select row_id, old, new from journal.journal order by seq"


async def redact(database: Journaled, *arguments: object, more: str = "") -> int:
    places = ", ".join(f"${n}" for n in range(1, len(arguments) + 1))
    sql = f"select journal.redact('t', {places}{more})"
    return int(await database.owner.fetchval(sql, *arguments))


async def named(database: Journaled, entry: Entry) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read an entry's images by the names of its layout."""
    from roost.journal.entry import load_layouts  # noqa: PLC0415 -- one place

    layout = (await load_layouts(database.owner, [entry.layout]))[entry.layout]
    return (
        layout.values(entry.old) if entry.old else {},
        layout.values(entry.new) if entry.new else {},
    )


async def insert(database: Journaled, row: int, user: uuid.UUID, *rest: str | None) -> None:
    await database.owner.execute(
        "insert into t (id, workspace_id, user_id, a, b, c) values ($1, $2, $3, $4, $5, $6)",
        row, HERE, user, *rest,
    )  # fmt: skip


async def test_the_words_go_and_everything_else_stays(database: Journaled) -> None:
    await database.table(TABLE)
    await insert(database, 1, ANN, "marker a", "marker b", '{"marker": [1]}')
    await insert(database, 2, BOB, "bob's a", "bob's b", '{"of": "bob"}')
    await database.owner.execute("update t set a = 'marker, \"again\"' where id = 1")
    await database.owner.execute("delete from t where id = 1")
    before = await database.owner.fetch(SKELETON)
    others = [tuple(row) for row in await database.owner.fetch(IMAGES) if row["row_id"] == "2"]
    assert await redact(database, "user_id", [str(ANN)]) == 3
    assert await database.owner.fetch(SKELETON) == before
    assert [
        tuple(row) for row in await database.owner.fetch(IMAGES) if row["row_id"] == "2"
    ] == others
    entries = [entry for entry in await database.new_entries() if entry.row_id == "1"]
    empty = {
        "id": "1", "workspace_id": str(HERE), "user_id": str(ANN), "a": "", "b": "", "c": "{}",
    }  # fmt: skip
    assert [await named(database, entry) for entry in entries] == [
        ({}, empty), (empty, empty), (empty, {}),
    ]  # fmt: skip
    left = await database.owner.fetchval(
        "select count(*) from journal.journal j where j::text like '%marker%'"
    )
    assert left == 0


async def test_redacting_again_changes_nothing(database: Journaled) -> None:
    await database.table(TABLE)
    await insert(database, 1, ANN, None, "x", None)
    assert await redact(database, "user_id", [str(ANN)]) == 1
    assert await redact(database, "user_id", [str(ANN)]) == 0


async def test_null_stays_null(database: Journaled) -> None:
    await database.table(TABLE)
    await insert(database, 1, ANN, None, "x", None)
    await redact(database, "user_id", [str(ANN)])
    (entry,) = await database.new_entries()
    _, values = await named(database, entry)
    assert (values["a"], values["b"], values["c"]) == (None, "", None)


async def test_only_the_columns_that_are_named_are_emptied(database: Journaled) -> None:
    await database.table(TABLE)
    await insert(database, 1, ANN, "a", "b", "{}")
    await redact(database, "user_id", [str(ANN)], ["b"])
    (entry,) = await database.new_entries()
    _, values = await named(database, entry)
    assert (values["a"], values["b"]) == ("a", "")


async def test_only_the_places_that_are_named_are_touched(database: Journaled) -> None:
    await database.table(TABLE)
    await insert(database, 1, ANN, "a", "b", "{}")
    await database.owner.execute(
        "insert into t (id, workspace_id, user_id, b) values (2, $1, $2, 'there')", THERE, ANN
    )
    more = ", places => $3"
    done = await database.owner.fetchval(
        f"select journal.redact('t', $1, $2{more})", "user_id", [str(ANN)], [THERE]
    )
    assert done == 1
    first, second = await database.new_entries()
    assert (await named(database, first))[1]["b"] == "b"
    assert (await named(database, second))[1]["b"] == ""


async def test_a_row_that_changed_hands_loses_the_one_persons_words(database: Journaled) -> None:
    await database.table(TABLE)
    await insert(database, 1, ANN, "ann's", "ann's", None)
    await database.owner.execute(
        "update t set user_id = $1, a = 'bob''s', b = 'bob''s' where id = 1", BOB
    )
    await redact(database, "user_id", [str(ANN)])
    _, update = await database.new_entries()
    old, new = await named(database, update)
    assert (old["a"], new["a"]) == ("", "bob's")


async def test_large_columns_that_were_left_out_are_still_made_whole(database: Journaled) -> None:
    await database.table(TABLE, large=["a"])
    await insert(database, 1, ANN, "long " * 5000, "b", None)
    await database.owner.execute("update t set b = 'b2' where id = 1")
    assert await redact(database, "user_id", [str(ANN)]) == 2
    first, second = await database.new_entries()
    old, new = await named(database, second)
    assert old["a"] == new["a"] == (await named(database, first))[1]["a"] == ""


async def test_entries_of_every_layout_are_redacted_by_their_own_columns(
    database: Journaled,
) -> None:
    await database.table(TABLE)
    await insert(database, 1, ANN, "marker", "marker", None)
    await database.owner.execute(
        "alter table t drop column a; alter table t add column d text; alter table t add e text[]"
    )
    await database.attach("t")
    await database.owner.execute(
        "update t set d = 'marker,', e = '{marker,\"x y\"}', b = 'marker' where id = 1"
    )
    await database.owner.execute("alter table t rename column b to f")
    await database.attach("t")
    await database.owner.execute("update t set f = 'marker 2' where id = 1")
    assert await redact(database, "user_id", [str(ANN)]) == 3
    assert not await database.owner.fetchval(
        "select count(*) from journal.journal j where j::text like '%marker%'"
    )
    *_, last = await database.new_entries()
    _, values = await named(database, last)
    assert (values["d"], values["e"], values["f"]) == ("", "{}", "")
    for entry in [last]:
        assert net([entry]) == (entry.old, entry.new)


async def test_the_history_of_a_table_that_was_made_anew_is_found(database: Journaled) -> None:
    await database.table(TABLE)
    await insert(database, 1, ANN, "marker", "marker", None)
    await database.owner.execute("drop table t")
    await database.table(TABLE)
    assert await redact(database, "user_id", [str(ANN)]) == 1


async def test_keys_are_found_in_what_was_journaled(database: Journaled) -> None:
    await database.table(TABLE)
    await insert(database, 1, ANN, "a", "b", None)
    await insert(database, 2, BOB, str(ANN), "b", None)
    await database.owner.execute("delete from t")
    keys = "select journal.keys_of('t', 'user_id', $1)"
    assert await database.owner.fetchval(keys, [str(ANN)]) == ["1"]
    assert await database.owner.fetchval(keys, [str(uuid.uuid4())]) == []


async def test_values_with_quotes_are_found_whatever_their_case(database: Journaled) -> None:
    await database.table(TABLE)
    await insert(database, 1, ANN, 'O"Hara\\x@Example.test', "b", None)
    assert await redact(database, "a", ['o"hara\\x@example.test'], ["a"]) == 1


@pytest.mark.parametrize(
    "call",
    [
        "select journal.redact('t', 'user_id', '{x}')",
        "select journal.keys_of('t', 'user_id', '{x}')",
        "select journal.redacted('(a)', '[]', 'a', '{}', null, '{}')",
        "update journal.journal set old = null",
    ],
)
async def test_the_pools_role_can_redact_nothing(database: Journaled, call: str) -> None:
    await database.table(TABLE)
    app = await database.connect(APP)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute(call)


@pytest.mark.parametrize("text", ["a", "(a", "(a)b", '("a)', '("a"b)', "(a\\b)", "(a,b))"])
async def test_what_is_no_record_is_refused(database: Journaled, text: str) -> None:
    with pytest.raises(asyncpg.DataCorruptedError):
        await database.owner.fetchval("select journal.fields_of($1)", text)


async def test_large_images_take_no_long(database: Journaled) -> None:
    image = written(['quote " and \\ ' * 50_000, None, "x" * 500_000])
    async with asyncpg.create_pool(database.url, min_size=1, max_size=1) as pool:
        fields = await pool.fetchval("select journal.fields_of($1)", image, timeout=20)
    assert "(" + ",".join(fields) + ")" == image


SQL = "select journal.redacted($1, $2::jsonb, 'who', array['ann'], $3::name[], '{}')"
COLUMNS = (
    '[{"name": "who", "type": "text"}, {"name": "a", "type": "text"},'
    ' {"name": "b", "type": "character varying(9)"}, {"name": "c", "type": "text"}]'
)


@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300
)
@given(
    row=ROWS, who=st.sampled_from(["ann", "Ann", "bob", None]), what=st.sets(st.sampled_from("abc"))
)
async def test_any_text_is_emptied_or_kept_to_the_letter(
    database: Journaled, row: list[str | None], who: str | None, what: set[str]
) -> None:
    image = written([who, *row])
    found = await database.owner.fetchval(SQL, image, COLUMNS, sorted(what))
    if who not in {"ann", "Ann"}:
        assert found == image
        return
    expected = [
        "" if name in what and value is not None else value
        for name, value in zip("abc", row, strict=True)
    ]
    assert parse_record(found) == [who, *expected]
    assert found == written([who, *expected])


@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100
)
@given(before=ROWS, after=ROWS)
async def test_what_postgresql_wrote_of_any_row_can_be_read_afterwards(
    database: Journaled, before: list[str | None], after: list[str | None]
) -> None:
    owner = database.owner
    await owner.execute("drop table if exists h")
    await owner.execute("create table h (id int primary key, who uuid, a text, b text, c text)")
    await owner.execute("select journal.attach('h')")
    await owner.execute("insert into h values (1, $1, $2, $3, $4)", ANN, *before)
    await owner.execute("alter table h add column d text default 'marker, \"d\"'")
    await owner.execute("select journal.attach('h')")
    await owner.execute("update h set a = $1, b = $2, c = $3", *after)
    await owner.execute("delete from h")
    await owner.fetchval("select journal.redact('h', 'who', $1)", [str(ANN)])
    for row in await owner.fetch("select old, new from journal.journal order by seq desc limit 3"):
        for image in (row["old"], row["new"]):
            if image is not None:
                assert set(parse_record(image)[2:]) <= {"", None}
