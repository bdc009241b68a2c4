"""Images are exactly what PostgreSQL's output functions write, whatever the writer's settings."""

import asyncpg
import pytest

from roost.journal.entry import load_layouts
from roost.journal.record import CANONICAL_SETTINGS, parse_record
from tests.journal.database import Journaled

TYPES = {
    "bool": ["true", "false"],
    "smallint": ["-32768"],
    "int": ["2147483647"],
    "bigint": ["-9223372036854775808"],
    "numeric": ["1.00", "'NaN'", "1e100", "-0.000"],
    "numeric(8,3)": ["1.5"],
    "real": ["0.1", "1.17549435e-38", "'-Infinity'", "'-0'"],
    "double precision": ["0.1::float8 + 0.2", "'NaN'", "1e300"],
    "money": ["'$1,234.56'", "'-$0.01'"],
    "text": ["''", "' a \"b\" \\ (c), '", "E'tab\\tnew\\nline'", "'é🦆'", "'null'"],
    "varchar(9)": ["'abc  '"],
    "char(5)": ["'ab'"],
    "name": ["'n'"],
    '"char"': ["'x'"],
    "bytea": ["'\\x00ff5c'", "''"],
    "uuid": ["'6f1c3a52-3f2b-4c1e-9c55-0d6f5b7b9a10'"],
    "date": ["'2024-02-29'", "'infinity'", "'0044-03-15 BC'"],
    "time": ["'23:59:59.999999'"],
    "timetz": ["'12:00:00+05:30'"],
    "timestamp": ["'2024-01-02 03:04:05.000006'"],
    "timestamptz": ["'2024-07-02 03:04:05.6+02'", "'-infinity'"],
    "interval": ["'1 year -2 days 03:04:05.6'", "'-1 mon'"],
    "json": ['\'{"a" : 1, "a": [1,  2]}\''],
    "jsonb": ['\'{"b": 1.00, "a": "x\\"y"}\''],
    "xml": ["'<a b=\"c\">&amp;</a>'"],
    "inet": ["'10.0.0.1'", "'::1/64'"],
    "cidr": ["'10.0.0.0/8'"],
    "macaddr": ["'08:00:2b:01:02:03'"],
    "bit(3)": ["'101'"],
    "varbit": ["'10101'"],
    "point": ["'(0.1,1e-300)'"],
    "box": ["'(1,1),(0,0)'"],
    "polygon": ["'((0,0),(1,1),(2,0))'"],
    "tsvector": ["'''it''''s'':1A fat'"],
    "tsquery": ["'fat & !rat'"],
    "int4range": ["'[1,5)'", "'empty'"],
    "tstzrange": ["'[2024-01-01 00:00+01,)'"],
    "int4multirange": ["'{[1,2),[5,9)}'"],
    "regclass": ["'pg_catalog.pg_class'", "'s.\"Odd Name\"'"],
    "pg_lsn": ["'16/B374D848'"],
    "int[]": ["'{1,NULL,3}'", "'[2:3]={7,8}'", "'{{1,2},{3,4}}'"],
    "text[]": ['\'{"a,b","",NULL,"null","q\\"q"}\''],
    "timestamptz[]": ["'{2024-01-01 00:00+01}'"],
    "s.mood": ["'sad face'"],
    "s.pair": ["row(0.1::float8 + 0.2, '2024-01-01'::date, '1 day 02:00'::interval)"],
    "s.positive": ["1.10"],
}
SETTINGS = {
    "datestyle": "German, DMY",
    "intervalstyle": "sql_standard",
    "extra_float_digits": "-3",
    "bytea_output": "escape",
    "timezone": "America/St_Johns",
    "quote_all_identifiers": "on",
    "xmlbinary": "hex",
    "xmloption": "document",
    "search_path": "s, public",
    "standard_conforming_strings": "on",
}
SCHEMA = """
create schema s;
create type s.mood as enum ('sad face', 'happy');
create type s.pair as (x float8, d date, i interval);
create domain s.positive as numeric check (value > 0);
create table s."Odd Name" ();
"""


async def _canonical(connection: asyncpg.Connection) -> None:
    for name, value in CANONICAL_SETTINGS.items():
        await connection.execute("select set_config($1, $2, false)", name, value)


@pytest.fixture
async def wide(database: Journaled) -> Journaled:
    """A table `t` with a column for every type, and a writer with every setting changed."""
    await database.owner.execute(SCHEMA)
    columns = ", ".join(f"c{at} {kind}" for at, kind in enumerate(TYPES))
    # libxml may not be built in.
    try:
        await database.owner.execute("select '<a/>'::xml")
    except asyncpg.FeatureNotSupportedError:
        columns = columns.replace(" xml,", " text,")
    await database.table(f"id int primary key, {columns}")
    return database


async def _write(connection: asyncpg.Connection) -> None:
    rows = max(map(len, TYPES.values()))
    for row in range(rows):
        values = [literals[row] if row < len(literals) else "null" for literals in TYPES.values()]
        await connection.execute(f"insert into public.t values ({row}, {', '.join(values)})")


@pytest.mark.parametrize("settings", [{}, SETTINGS, *({k: v} for k, v in SETTINGS.items())])
async def test_images_equal_the_rows_text_under_canonical_settings(
    wide: Journaled, settings: dict[str, str]
) -> None:
    await _write(wide.owner)
    writer = await wide.connect()
    await writer.execute("set lc_monetary = 'C'")
    for name, value in settings.items():
        await writer.execute("select set_config($1, $2, false)", name, value)
    await wide.new_entries()
    await writer.execute("update public.t set id = -1 - id")
    entries = await wide.new_entries()
    reader = await wide.connect()
    await _canonical(reader)
    rows = await reader.fetch("select id::text as key, (t.*)::text as image from public.t")
    images = {row["key"]: row["image"] for row in rows}
    assert {e.row_id: e.new for e in entries if e.op == "I"} == images
    assert len(images) == max(map(len, TYPES.values()))
    # The old images were the same but for the key.
    olds = [parse_record(e.old or "")[1:] for e in entries if e.op == "D"]
    assert olds == [parse_record(e.new or "")[1:] for e in entries if e.op == "I"]


async def test_the_writers_settings_are_left_alone(wide: Journaled) -> None:
    writer = await wide.connect()
    for name, value in SETTINGS.items():
        await writer.execute("select set_config($1, $2, false)", name, value)
    before = {name: await writer.fetchval(f"show {name}") for name in SETTINGS}
    await writer.execute("insert into public.t (id) values (1)")
    assert {name: await writer.fetchval(f"show {name}") for name in SETTINGS} == before


async def test_each_field_is_what_its_types_output_function_writes(wide: Journaled) -> None:
    await _write(wide.owner)
    await _canonical(wide.owner)
    entries = await wide.new_entries()
    layout = (await load_layouts(wide.owner, [entries[0].layout]))[entries[0].layout]
    fields = ", ".join(
        f"case when {c.name} is null then null else format('%s', {c.name}) end"
        for c in layout.columns
    )
    for entry in entries:
        row = await wide.owner.fetchrow(f"select {fields} from public.t where id = {entry.row_id}")
        assert row is not None
        assert entry.new is not None
        assert list(layout.values(entry.new).values()) == list(row)


@pytest.mark.parametrize(
    ("definition", "literal", "key"),
    [
        ("k char(5)", "'ab'", "ab   "),
        ("k bool", "true", "t"),
        ("k inet", "'10.0.0.1'", "10.0.0.1"),
        ("k timestamptz", "'2024-07-02 03:04:05+00'", "2024-07-02 03:04:05+00"),
        ("k float8", "0.1::float8 + 0.2", "0.30000000000000004"),
        ("k text", "''", ""),
        (
            "k timestamptz, l text",
            "'2024-07-02 03:04:05+00', 'a b'",
            '("2024-07-02 03:04:05+00","a b")',
        ),
    ],
)
async def test_keys_are_output_texts_too(
    database: Journaled, definition: str, literal: str, key: str
) -> None:
    names = ", ".join(part.split()[0] for part in definition.split(", "))
    await database.table(f"{definition}, primary key ({names})")
    writer = await database.connect()
    await writer.execute("set timezone = 'Asia/Kolkata'; set extra_float_digits = -3")
    await writer.execute(f"insert into t values ({literal})")
    await writer.execute("delete from t")
    assert [(op, row) for op, row, _, _ in await database.changes()] == [("I", key), ("D", key)]
