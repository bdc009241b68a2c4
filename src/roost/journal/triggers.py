"""The statements by which schema revisions put tables under the journal."""

from collections.abc import Sequence

from sqlalchemy import Table

DEFAULT_WORKSPACE_COLUMN = "workspace_id"


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _names(names: Sequence[str]) -> str:
    return "array[" + ", ".join(map(_literal, names)) + "]::name[]"


def _relation(table: Table) -> str:
    parts = (table.schema or "public", table.name)
    return _literal(".".join('"' + part.replace('"', '""') + '"' for part in parts)) + "::regclass"


def attach_sql(
    table: Table,
    *,
    exclude: Sequence[str] = (),
    large: Sequence[str] = (),
    workspace_column: str | None = DEFAULT_WORKSPACE_COLUMN,
) -> str:
    """Give the statement that journals ``table``; to be run again whenever its columns change.

    Columns in ``exclude`` never reach the journal (secrets, embeddings). Those in ``large`` are not
    stored a second time by updates that leave them alone. ``workspace_column`` holds the tenant's
    id; a table without a column of the default name has none.

    Raises ValueError for a column the table does not have.
    """
    named = (*exclude, *large)
    if workspace_column not in {None, DEFAULT_WORKSPACE_COLUMN}:
        named = (*named, str(workspace_column))
    if unknown := [name for name in named if name not in table.c]:
        msg = f"table {table.fullname} has no column {', '.join(unknown)}"
        raise ValueError(msg)
    arguments = [_relation(table)]
    if workspace_column != DEFAULT_WORKSPACE_COLUMN:
        value = "null" if workspace_column is None else _literal(workspace_column)
        arguments.append(f"workspace_column => {value}")
    if exclude:
        arguments.append(f"exclude => {_names(exclude)}")
    if large:
        arguments.append(f"large => {_names(large)}")
    return f"select journal.attach({', '.join(arguments)})"


def detach_sql(table: Table) -> str:
    """Give the statement that stops journaling ``table``; what was journaled stays."""
    return f"select journal.detach({_relation(table)})"
