"""Which images of rows a shape's condition holds for: PostgreSQL says."""

from collections.abc import Iterable, Sequence
from typing import Any

from roost.journal.entry import Layout
from roost.journal.record import parse_record, split_record
from roost.sync.catalog import Relation
from roost.sync.definition import Condition
from roost.sync.identifiers import quoted


class LayoutError(Exception):
    """An image is of another form than the table has now."""


def fitted(relation: Relation, layout: Layout, image: str) -> str:
    """An image as a record of the table's own form: a partition's columns may stand otherwise."""
    names = [column.name for column in layout.columns]
    wanted = [column.name for column in relation.columns]
    if names == wanted:
        return image
    if sorted(names) != sorted(wanted):
        message = f"layout {layout.id} is not that of {relation.sql}"
        raise LayoutError(message)
    fields = dict(zip(names, split_record(image), strict=True))
    return "(" + ",".join(fields[name] for name in wanted) + ")"


def values_of(relation: Relation, image: str) -> dict[str, str | None]:
    """Read an image of the table's own form."""
    fields = parse_record(image)
    return {column.name: field for column, field in zip(relation.columns, fields, strict=True)}


def same_row(relation: Relation, left: str, right: str) -> str:
    """SQL of whether two rows have one key."""
    sign = "=" if relation.has_key else "is not distinct from"
    names = [quoted(name) for name in relation.key]
    return " and ".join(f"{left}.{name} {sign} {right}.{name}" for name in names)


def rows_of(relation: Relation, array: str, alias: str | None = None) -> str:
    """SQL of the rows whose images `array` holds, each with its number `roost_image.n` from 1."""
    # Expanding `(x).*` at once would read the record anew for each column.
    return (
        f"unnest({array}::text[]) with ordinality as roost_image(text, n)"  # noqa: S608 -- quoted names
        " cross join lateral (select (roost_read.row).* from"
        f" (select cast(roost_image.text as {relation.sql}) as row offset 0) roost_read"
        f") as {alias or quoted(relation.name)}"
    )


async def matching(
    connection: Any,  # noqa: ANN401 -- asyncpg's
    relation: Relation,
    condition: Condition | None,
    images: Iterable[str],
) -> frozenset[str]:
    """Those of the images that are rows of the shape."""
    distinct: Sequence[str] = list(dict.fromkeys(images))
    if condition is None or not distinct:
        return frozenset(distinct)
    statement = (
        f"select roost_image.n from {rows_of(relation, '$1')}"  # noqa: S608 -- printed from a tree
        f" where {condition.sql('$2')} and $2::text[] is not null"
    )
    found = await connection.fetch(statement, distinct, condition.values)
    return frozenset(distinct[row["n"] - 1] for row in found)
