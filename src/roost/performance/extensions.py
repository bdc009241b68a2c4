"""Extensions: which there are, which could be had, and what is missed without them."""

from collections.abc import Mapping
from typing import Literal

from roost.db.pool import Database
from roost.performance.reading import Question
from roost.web.structs import Outgoing

MISSED: Mapping[str, str] = {
    "pg_stat_statements": "statements are not counted: `queries` is not available",
    "pg_trgm": "searches don't forgive misspelt words",
    "vector": "tasks can't be searched by embeddings",
    "hypopg": "indexes can't be tried out before they are made",
    "pgstattuple": "bloat is estimated, not measured",
}
"""What is missed without each extension that Roost knows how to use."""


class Extension(Outgoing):
    """An extension: made in this database, to be had on this server, or absent."""

    name: str
    status: Literal["installed", "available", "absent"]
    version: str | None
    available_version: str | None
    missed: str | None
    """What is missed without it, for one that Roost uses and that is not there."""
    sql: str | None
    """What makes it, or brings it up to date."""


class _Row(Outgoing):
    name: str
    version: str | None
    available_version: str | None


_QUESTION = Question(
    "extensions",
    _Row,
    """
    select e.name, e.installed_version as version, e.default_version as "availableVersion"
    from pg_available_extensions e order by e.name
    """,
)


async def extensions(database: Database) -> list[Extension]:
    """List those that are installed, and those that Roost would use."""
    known = {row.name: row for row in await _QUESTION.ask(database)}
    names = {name for name, row in known.items() if row.version} | MISSED.keys()
    return [_extension(name, known.get(name)) for name in sorted(names)]


def _extension(name: str, row: _Row | None) -> Extension:
    if row is None:
        return Extension(
            name=name,
            status="absent",
            version=None,
            available_version=None,
            missed=MISSED.get(name),
            sql=None,
        )
    sql = None
    if row.version is None:
        sql = f'create extension "{name}";'
    elif row.version != row.available_version:
        sql = f'alter extension "{name}" update;'
    return Extension(
        name=name,
        status="available" if row.version is None else "installed",
        version=row.version,
        available_version=row.available_version,
        missed=MISSED.get(name) if row.version is None else None,
        sql=sql,
    )
