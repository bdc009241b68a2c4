"""A catalogued problem on its way to the client."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from roost.errors.catalogue import Entry


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field; `field` is a dotted path into the body, or a parameter."""

    field: str
    message: str
    code: str = "invalid"


class ProblemError(Exception):
    """A catalogued problem on its way to the client."""

    def __init__(  # noqa: PLR0913 -- every part of a problem document can be set
        self,
        entry: Entry,
        detail: str | None = None,
        *,
        errors: Sequence[FieldError] = (),
        hint: str | None = None,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail or entry.title)
        self.entry = entry
        self.detail = detail or entry.title
        self.errors = tuple(errors)
        self.hint = hint or entry.hint
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})
