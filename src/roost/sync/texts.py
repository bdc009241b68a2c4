"""Images' columns that have intervals deep within, as clients are given them.

A composite, a range or an array of those is too much to take apart and put together again by hand:
PostgreSQL reads the image, and writes the column in the other style.
"""

from collections.abc import Collection, Mapping
from typing import Any

from roost.sync.catalog import Relation
from roost.sync.identifiers import quoted
from roost.sync.matching import rows_of
from roost.sync.messages import Values

Texts = Mapping[str, Values]
"""By image: the columns that read otherwise in it."""


async def texts_of(connection: Any, relation: Relation, images: Collection[str]) -> Texts:  # noqa: ANN401 -- asyncpg's
    """Give them, in a transaction that reads what is shown."""
    columns = relation.deep_intervals
    if not columns or not images:
        return {}
    table = quoted(relation.name)
    chosen = ", ".join(f"{each.text_sql(table)} as {quoted(each.name)}" for each in columns)
    numbered = list(images)
    rows = await connection.fetch(
        f"select roost_image.n as roost_n, {chosen} from {rows_of(relation, '$1')}",  # noqa: S608 -- quoted names
        numbered,
    )
    return {
        numbered[number - 1]: dict(zip((each.name for each in columns), texts, strict=True))
        for number, *texts in rows
    }
