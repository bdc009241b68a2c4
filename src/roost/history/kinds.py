"""The kinds of things that have a history, as the rooms that own them describe them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Table

from roost.web.lists import Listing


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """A column that names a row of another table, which may be gone by now.

    Then the column is empty in a row that is put back; if it is `required`, the row is left out.
    """

    column: str
    table: Table
    key: str = "id"
    required: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """A kind of thing: one table with `workspace_id` and `id` as its key.

    `as_text` writes a row as JSON. `listing` is the list of all as of a moment. `place` are columns
    that only one row may have the values of at a time; of a user's rows, one at most has `single`
    set. `kept_by` names a row by its `column`, and whatever is named so is not deleted by a
    restore: what hangs on it could not be put back.
    """

    name: str
    table: Table
    as_text: Callable[[Any], ColumnElement[str]]
    listing: Listing
    references: tuple[Reference, ...] = ()
    place: tuple[str, ...] = ()
    single: str | None = None
    kept_by: Reference | None = None

    @property
    def stored(self) -> list[str]:
        """The columns that are written, not computed."""
        return [each.name for each in self.table.c if each.computed is None]

    @property
    def compared(self) -> list[str]:
        """The columns that make a difference to whoever puts rows back."""
        apart = {"workspace_id", "id", "version", "updated_at"}
        return [name for name in self.stored if name not in apart]
