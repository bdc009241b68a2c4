"""A migration from a file, without a server: what `roost migrate` does in the database."""

from pathlib import Path
from typing import Any

import msgspec

from roost import errors
from roost.db.pool import Database
from roost.db.sealing import open_secret_box
from roost.db.target import Target
from roost.db.tenancy import Context
from roost.errors import ProblemError
from roost.identity import administration
from roost.migration import queries
from roost.migration.ledger import OnProgress
from roost.migration.model import Config
from roost.migration.request import open_dump
from roost.migration.service import Migrations
from roost.migration.shown import shown


class Order(msgspec.Struct):
    """A file's bytes, whose they are, and how to migrate them."""

    raw: bytes
    email: str | None
    origin: str | None
    config: Config
    secret_keys: tuple[str, ...]
    data_dir: Path


async def migrate_file(target: Target, order: Order, on_progress: OnProgress) -> dict[str, Any]:
    """Migrate; gives the migration with verdicts by `kinds`, and its `problems`.

    Also `others`, whose rows were left out, with their `number`, and `credentials`, the items that
    have some, with the warnings that name them.

    ProblemError when the file is no dump, or another migration is running.
    """
    received = open_dump(order.raw, order.origin)
    order.raw = b""
    connection = await target.connect_as_owner()
    try:
        await administration.first_run(connection)
        user_id = await administration.find_user(connection, order.email)
        workspace_id = await administration.find_home(connection, user_id)
    finally:
        await connection.close()
    box = open_secret_box(order.secret_keys, order.data_dir)
    database = await Database.connect(target.pool)
    try:
        migrations = Migrations(database, box, _nobody_listens)
        whose = workspace_id, user_id
        migration_id = await migrations.start(
            *whose, received, order.config, on_progress=on_progress
        )
        context = Context(workspace_id, user_id)
        row = await database.read(queries.REPORT, context, migration=migration_id)
    finally:
        await database.close()
    if row is None:
        raise ProblemError(errors.MIGRATION_NOT_FOUND)
    document: dict[str, Any] = msgspec.json.decode(row["body"])
    kinds: dict[str, dict[str, int]] = {}
    for kind, verdict, number in msgspec.json.decode(row["kinds"]):
        kinds.setdefault(kind, {})[verdict] = number
    listed = {
        name: msgspec.json.decode(row[name]) for name in ("problems", "others", "credentials")
    }
    reported: dict[str, Any] = shown(document | {"kinds": kinds} | listed)
    return reported


def _nobody_listens() -> None:
    """A server that runs beside finds the new rows by itself."""
