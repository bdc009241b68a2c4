"""Clauses that are refused, and what is too deep or too long: never more than a refusal."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roost.sync.clause.printing import ClauseError
from roost.sync.clause.reading import read_order, tables_in
from tests.sync.test_clauses import SCOPE, read

REFUSED = """\
now() > at
at > current_timestamp
at > localtimestamp
d = current_date
v = current_user
v = session_user
v = current_setting('roost.workspace_id')
set_config('roost.workspace_id', v, true) = v
pg_sleep(9) is null
random() > n
leak(v)
public.leak(v)
pg_read_file(v) = ''
lo_import(v) = 1
nextval('s') = 1
query_to_xml(v, true, true, '') is null
pg_catalog.now() > at
count(*) > 1
sum(n) > 1
row_number() over () > 1
concat(variadic array[v]) = ''
length(distinct v) = 1
age(at) > '1d'
v::regclass = 'plain'
v::oid = 1
v::xml is null
'plain'::regclass = id
v::public.plain is null
v::plain is null
v::setof int = 1
n::other.id%type = 1
exists (select 1)
exists (select 1 from other)
n = (select 1)
n > all (select id from other)
id = any (select id from other)
id in (select id from hidden)
id in (select id from pg_class)
id in (select id from pg_catalog.pg_class)
id in (select id from information_schema.tables)
id in (select id from postgres.public.other)
id in (select hidden from other)
id in (select * from other)
id in (select other from other)
id in (table other)
id in (values (1))
id in (select id from other o)
id in (select id from only other)
id in (select id from other, other)
id in (select id from other cross join other)
id in (select id from (select 1 as id) other)
id in (select id from other tablesample system (1))
id in (select id from leak(v) other)
id in (select id from lateral leak(v))
id in (select id from other union select 1)
id in (select id from other except select 1)
id in (with other as (select 1) select id from other)
id in (select distinct id from other)
id in (select id from other limit 1)
id in (select id from other offset 1)
id in (select id from other order by id)
id in (select id from other group by id)
id in (select id from other having true)
id in (select id from other for update)
id in (select id from other window w as ())
id in (select id into temp x from other)
id in (select id from other where hidden = '')
id in (select count(*) from other)
id in (select id from other where id in (select id from other))
id in (select id from plain)
array(select id from other) = a
hidden = ''
plain.hidden = ''
other.id = 1
public.other.id = 1
postgres.public.plain.id = 1
ctid is not null
xmin = 1
tableoid = 1
plain.ctid is null
cmin = 1
plain is null
plain.* is null
* is null
(plain).id = 1
(plain).hidden = ''
to_jsonb(plain) is null
plain::text = ''
row(plain) is null
(row(1, 2)).f1 = 1
id operator(public.=) 1
id operator(other.=) 1
v @@ 'x'
v <-> 'x' > 1
v !! 'x'
v collate "C" = 'x'
v similar to 'x'
v is document
v is json
v is normalized
json_value(j, '$') = '1'
xmlexists('/' passing v)
json_object('a': 1) is null
grouping(id) = 1
default = 1
? = 1
:x = 1
$1 = 1
$0 = 1
merge_action() = ''
true; drop table plain
true; select 1
;
true;;select 1
true union select 1
true group by id
true order by id
true limit 1
true for update
true window w as ()
true having true
true intersect select 1
true into x
true) or (true
true from plain
id = 1 returning id
/* */
(
id =
true /*
E'\\x00'
U&'\\0000' = v
id = 1 \\g
copy plain to program 'x'
cast(v as text
"""
ORDERS = """\
1
hidden
id, hidden
id + 1
abs(id)
plain.id
id using <
id collate "C"
(select 1)
id; drop table plain
id limit 1
*
id for update
current_date
$1
'id'
id, 1
ctid
id offset 1
"""


@pytest.mark.parametrize("text", [*REFUSED.splitlines(), "", " ", "--", "'", '"', "\x01"])
def test_nothing_else_passes(text: str) -> None:
    with pytest.raises(ClauseError) as caught:
        read(text)
    assert caught.value.message


DEEP = {
    "not": lambda n: "not " * n + "b",
    "parentheses": lambda n: "(" * n + "b" + ")" * n,
    "open parentheses": lambda n: "(" * n,
    "signs": lambda n: "id = " + "- " * n + "n",
    "sums": lambda n: "id = 1" + " + 1" * n,
    "or": lambda n: "b" + " or b" * n,
    "and or": lambda n: "b" + " or b and b" * n,
    "cases": lambda n: "case when b then " * n + "b" + " end" * n,
    "calls": lambda n: "abs(" * n + "id" + ")" * n + " = 1",
    "arrays": lambda n: "a = " + "array[" * n + "1" + "]" * n,
    "casts": lambda n: "b" + "::bool" * n,
    "subscripts": lambda n: "a" + "[1]" * n + " = 1",
    "tests": lambda n: "b" + " is null" * n,
    "isnull": lambda n: "b" + " isnull" * n,
    "fields": lambda n: "a" + ".a" * n + " = 1",
    "rows": lambda n: "row(" * n + "1" + ")" * n + " is null",
    "sub-queries": lambda n: "id in (select id from other where " * n + "b" + ")" * n,
    "sub-query below": lambda n: "not " * n + "id in (select id from other)",
    "comments": lambda n: "/*" * n + "*/" * n + "b",
    "list": lambda n: "id in (1" + ", 1" * n + ")",
    "collations": lambda n: "v" + ' collate "C"' * n + " = v",
    "zones": lambda n: "at" + " at time zone 'UTC'" * n + " = at",
    "likes": lambda n: "v like " * n + "v",
    "operators": lambda n: "id = " + " @ " * n + "n",
}


@pytest.mark.parametrize("form", DEEP)
@pytest.mark.parametrize("n", [190, 990, 30_000])
def test_deep_and_long_clauses_are_read_or_refused(form: str, n: int) -> None:
    text = DEEP[form](n)
    tables_in(text)
    tables_in(text + " select")
    with suppress(ClauseError):
        assert read(text).sql(lambda place: f"${place}")


@settings(max_examples=400)
@given(
    st.lists(
        st.sampled_from(
            [
                "id",
                "v",
                "(",
                ")",
                "=",
                "'",
                '"',
                "$1",
                "select",
                "from",
                "other",
                "in",
                "not",
                "::",
                "text",
                "[",
                "]",
                ",",
                ".",
                ";",
                "--",
                "/*",
                "E'",
                "\\",
                "case",
                "when",
                "then",
                "end",
                "*",
                "1",
                "null",
                "and",
                "or",
                "$$",
                "U&'",
                "row",
                "array",
                "any",
                "operator",
                "é",
                "\x7f",
                "😀",
                "now",
            ]
        )
    ).map(" ".join)
    | st.text()
)
def test_any_text_is_read_or_refused(text: str) -> None:
    if "\x00" in text:
        return
    tables_in(text)
    for reading in (lambda: read(text, {"1": "x"}), lambda: read_order(text, SCOPE)):
        with suppress(ClauseError):
            reading()


@pytest.mark.parametrize("text", ORDERS.splitlines())
def test_rows_are_ordered_by_columns_and_nothing_else(text: str) -> None:
    with pytest.raises(ClauseError):
        read_order(text, SCOPE)


def test_an_order_is_printed_with_its_directions() -> None:
    assert (
        read_order('id desc nulls last, "Odd name"', SCOPE)
        == '"plain"."id" desc nulls last, "plain"."Odd name"'
    )
