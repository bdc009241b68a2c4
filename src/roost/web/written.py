"""Rows as a change has left them."""

from typing import Any, Self
from uuid import UUID

import msgspec

from roost.errors import Entry, ProblemError


class Written(msgspec.Struct, frozen=True):
    """A row as it was written: `body` is its JSON, `version` its ETag."""

    id: UUID
    version: int
    body: str

    @classmethod
    def of(cls, row: Any, missing: Entry) -> Self:  # noqa: ANN401 -- a record
        """Read a row that a statement gives back; the problem `missing` when there is none."""
        if row is None:
            raise ProblemError(missing)
        return cls(row["id"], row["version"], row["body"])
