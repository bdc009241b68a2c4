"""Rows put back as they were, and rows taken away: one statement a table."""

from base64 import b64encode
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import (
    ColumnElement,
    Table,
    Text,
    and_,
    case,
    column,
    delete,
    func,
    literal_column,
    null,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from roost.db.pool import Transaction
from roost.db.statements import Statement, compiled
from roost.environments.tables import environment_secrets, environments
from roost.identity.tables import memberships
from roost.migration.reversal.changes import Values
from roost.migration.tables import documents, kept_secrets
from roost.migration.targets.target import WORKSPACE, is_any, records
from roost.tasks.tables import messages, tasks

Sealed = dict[str, bytes]
"""Sealed values, by `place_of`."""

TABLES: Final[dict[str, Table]] = {
    each.name: each
    for each in (environments, environment_secrets, tasks, messages, documents, kept_secrets)
}
_CIPHERTEXT: Final = "ciphertext"
#: What hangs on each table's rows: the table, and its column that names the row.
PARTS: Final = {
    "tasks": ("messages", "task_id"),
    "environments": ("environment_secrets", "environment_id"),
}
_s, _k = environment_secrets.c, kept_secrets.c
_OWNERS: Final = {part: (whole, name) for whole, (part, name) in PARTS.items()}


def _columns(table: Table) -> list[str]:
    return [each.name for each in table.c if each.computed is None]


def _exists(table: Table, identifier: ColumnElement[Any], name: str = "id") -> ColumnElement[bool]:
    found: Any = select(literal_column("1")).where(
        table.c.workspace_id == WORKSPACE, table.c[name] == identifier
    )
    exists: ColumnElement[bool] = found.correlate_except(table).exists()
    return exists


def _value(table: Table, new: Any, name: str) -> ColumnElement[Any]:  # noqa: ANN401 -- an alias
    """A column as it was, unless what it points to is gone or another row has taken its place."""
    found: ColumnElement[Any] = new.c[name]
    if name == _CIPHERTEXT:
        return func.decode(found, literal_column("'base64'", Text))
    if table is tasks and name == "environment_id":
        return case((_exists(environments, found), found), else_=null())
    if table is tasks and name == "assignee_id":
        return case((_exists(memberships, found, "user_id"), found), else_=null())
    if table is environments and name == "is_active":
        other = environments.alias("other")
        active: Any = select(literal_column("1")).where(
            other.c.workspace_id == WORKSPACE,
            other.c.user_id == new.c.user_id,
            other.c.is_active,
            other.c.id != new.c.id,
        )
        return and_(found, ~active.correlate(new).exists())
    if name == "version":
        # A version that was given out once must not stand for other content.
        return found + literal_column("1")
    return found


def _put(table: Table) -> Statement:
    names = _columns(table)
    types = {name: column(name, Text()) if name == _CIPHERTEXT else table.c[name] for name in names}
    new = records(types)
    rows = select(*(_value(table, new, name) for name in names))
    statement = insert(table).from_select(names, rows)
    given = statement.excluded
    changed: dict[str, Any] = {name: given[name] for name in names}
    if "version" in names:
        changed["version"] = func.greatest(given.version, table.c.version + literal_column("1"))
    key = ["workspace_id", "id"]
    for name in key:
        del changed[name]
    return compiled(
        f"insert {table.name}.back",
        statement.on_conflict_do_update(index_elements=key, set_=changed).returning(table.c.id),
    )


_PUT: Final = {name: _put(table) for name, table in TABLES.items()}
_DELETE: Final = {
    name: compiled(
        f"delete {name}.back",
        delete(table)
        .where(table.c.workspace_id == WORKSPACE, is_any(table.c.id))
        .returning(table.c.id),
    )
    for name, table in TABLES.items()
}
# In one order, so that two who lock the same rows wait for each other in turn.
_LOCK: Final = {
    name: compiled(
        f"select {name}.lock",
        select(table.c.id)
        .where(table.c.workspace_id == WORKSPACE, is_any(table.c.id))
        .order_by(table.c.id)
        .with_for_update(),
    )
    for name, table in TABLES.items()
}
_MEMBERS: Final = {
    part: compiled(
        f"select {part}.members",
        select(TABLES[part].c.id, TABLES[part].c[name].label("whole")).where(
            TABLES[part].c.workspace_id == WORKSPACE, is_any(TABLES[part].c[name])
        ),
    )
    for part, (_, name) in _OWNERS.items()
}
_WHOLE: Final = {
    part: compiled(
        f"select {part}.whole",
        select(TABLES[part].c.id, TABLES[part].c[name].label("whole")).where(
            TABLES[part].c.workspace_id == WORKSPACE, is_any(TABLES[part].c.id)
        ),
    )
    for part, (_, name) in _OWNERS.items()
}


_SECRETS: Final = {
    "environment_secrets": compiled(
        "select environment_secrets.back",
        select(_s.environment_id, _s.name, _s.ciphertext).where(
            _s.workspace_id == WORKSPACE, is_any(_s.id) | is_any(_s.environment_id)
        ),
    ),
    "kept_secrets": compiled(
        "select kept_secrets.back",
        select(_k.id, _k.ciphertext).where(_k.workspace_id == WORKSPACE, is_any(_k.id)),
    ),
}


def place_of(values: Mapping[str, Any]) -> str:
    """Where a sealed value belongs: to a name in an environment, or to a user's kept secret."""
    if "environment_id" in values:
        return f"{values['environment_id']}/{values['name']}"
    return str(values["id"])


class Rows:
    """The rows of one workspace, by table and id, within a transaction.

    `sealed` are values that rows to be put back had; `taken` is filled with those that go.
    """

    def __init__(self, transaction: Transaction, workspace_id: UUID, sealed: Sealed) -> None:
        self._transaction = transaction
        self._workspace = workspace_id
        self._sealed = sealed
        self.taken: Sealed = {}
        self.put_back: set[str] = set()

    async def lock(self, table: str, ids: Collection[str]) -> None:
        """Keep everybody else from these rows, and from hanging anything on them."""
        if ids:
            await self._transaction.rows(_LOCK[table], workspace=self._workspace, ids=list(ids))

    async def members(self, part: str, wholes: Sequence[str]) -> dict[str, str]:
        """The rows of `part` that hang on these, each with what it hangs on."""
        return await self._pairs(_MEMBERS[part], wholes)

    async def wholes(self, part: str, ids: Sequence[str]) -> dict[str, str]:
        """What each of these rows of `part` hangs on, as far as it exists."""
        return await self._pairs(_WHOLE[part], ids)

    async def _pairs(self, statement: Statement, ids: Sequence[str]) -> dict[str, str]:
        if not ids:
            return {}
        rows = await self._transaction.rows(statement, workspace=self._workspace, ids=ids)
        return {str(row["id"]): str(row["whole"]) for row in rows}

    async def remove(self, table: str, ids: Sequence[str]) -> int:
        """Delete rows, with what hangs on them; gives how many there were."""
        if not ids:
            return 0
        await self._take(table, ids)
        return len(await self._transaction.rows(_DELETE[table], workspace=self._workspace, ids=ids))

    async def _take(self, table: str, ids: Sequence[str]) -> None:
        """Remember the sealed values that go with these rows."""
        secrets = PARTS["environments"][0] if table == "environments" else table
        if secrets in _SECRETS:
            statement = _SECRETS[secrets]
            rows = await self._transaction.rows(statement, workspace=self._workspace, ids=ids)
            found = {place_of(dict(row)): row["ciphertext"] for row in rows}
            # The first counts: what comes and goes on the way was never anybody's.
            self.taken = found | self.taken

    async def put(self, table: str, rows: Iterable[Values]) -> int:
        """Make rows what they were; those without the sealed value they need are left out."""
        made = [row for values in rows if (row := self._complete(table, values)) is not None]
        if not made:
            return 0
        await self._take(table, [str(each["id"]) for each in made])
        text = msgspec.json.encode(made).decode()
        return len(await self._transaction.rows(_PUT[table], workspace=self._workspace, rows=text))

    def _complete(self, table: str, values: Values) -> dict[str, Any] | None:
        row = as_json(table, values)
        if _CIPHERTEXT in TABLES[table].c:
            place = place_of(values)
            if place not in self._sealed:
                return None
            row[_CIPHERTEXT] = b64encode(self._sealed[place]).decode()
            self.put_back.add(place)
        return row


def as_json(table: str, values: Values) -> dict[str, Any]:
    """A row's texts as `json_to_recordset` reads them: strings, or the JSON that they are."""
    kinds = {each.name: each.type for each in TABLES[table].c}
    return {
        name: msgspec.Raw(text.encode())
        if text is not None and isinstance(kinds[name], JSONB)
        else text
        for name, text in values.items()
        if name in kinds
    }
