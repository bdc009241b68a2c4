"""Intervals in the form that clients know, as PostgreSQL itself would write them."""

import asyncio
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roost.sync.intervals import iso, iso_array

DAY = 86_400_000_000
PARTS = st.tuples(
    st.integers(-40, 40) | st.integers(-2_000_000, 2_000_000),
    st.integers(-40, 40) | st.integers(-2_000_000, 2_000_000),
    st.sampled_from([0, 1, -1, 1_000_000, 3_600_000_000, -60_000_000])
    | st.integers(-DAY, DAY)
    | st.integers(-(10**17), 10**17),
)


@pytest.fixture
def written(scratch_database: str) -> Any:
    """Write intervals in both styles, by PostgreSQL."""

    async def write(parts: list[tuple[int, int, int]]) -> list[Any]:
        connection = await asyncpg.connect(scratch_database)
        try:
            found = {}
            for style in ("postgres", "iso_8601"):
                await connection.execute(f"set intervalstyle = '{style}'")
                found[style] = await connection.fetch(
                    "select i::text as one, array[i, null, i]::text as several from unnest("
                    "$1::int[], $2::int[], $3::int8[]) as p (months, days, micros), "
                    "lateral (select make_interval(months => months, days => days)"
                    " + micros * interval '1 us' as i) as made",
                    *map(list, zip(*parts, strict=True)),
                )
            return list(zip(found["postgres"], found["iso_8601"], strict=True))
        finally:
            await connection.close()

    return lambda parts: asyncio.run(write(parts))


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(PARTS, min_size=1, max_size=200))
def test_an_interval_is_written_as_postgresql_writes_it(
    written: Any, parts: list[tuple[int, int, int]]
) -> None:
    for plain, wanted in written(parts):
        assert iso(plain["one"]) == wanted["one"], plain["one"]
        assert iso_array(plain["several"]) == wanted["several"], plain["several"]


@pytest.mark.parametrize(
    ("plain", "wanted"),
    [
        ("infinity", "infinity"),
        ("00:00:00", "PT0S"),
        ("-1 years -2 mons +3 days -04:05:06.789", "P-1Y-2M3DT-4H-5M-6.789S"),
    ],
)
def test_odd_intervals_too(plain: str, wanted: str) -> None:
    assert iso(plain) == wanted


def test_an_array_keeps_its_bounds_and_its_form() -> None:
    given_ = '[0:1][1:1]={{"1 day"},{NULL}}'
    assert iso_array(given_) == "[0:1][1:1]={{P1D},{NULL}}"
