"""The conditions of a task list, and its orders."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Float,
    Integer,
    Text,
    Uuid,
    bindparam,
    cast,
    func,
    literal_column,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY

from roost.db.keyset import Ordering
from roost.tasks.search import LIKENESS
from roost.tasks.tables import tasks

_c = tasks.c


def _texts(name: str) -> ColumnElement[Any]:
    return func.any(bindparam(name, type_=ARRAY(Text)))


def ids(name: str) -> ColumnElement[Any]:
    """Any of the ids that are bound at a place."""
    return func.any(bindparam(name, type_=ARRAY(Uuid)))


def _moment(name: str) -> ColumnElement[Any]:
    return bindparam(name, type_=_c.created_at.type)


def lexemes(place: str) -> ColumnElement[Any]:
    """The query of the words' beginnings, bound at `place`."""
    return cast(bindparam(place, type_=Text), TSQUERY)


def _words(place: str) -> ColumnElement[bool]:
    return _c.search.op("@@")(lexemes(place))


def likeness() -> ColumnElement[float]:
    """How alike the least alike of the typed words is to a part of the title, from 0 to 1."""
    typed = func.unnest(bindparam("typed", type_=ARRAY(Text))).column_valued("typed_word")
    alike = func.word_similarity(typed, _c.title, type_=Float)
    return select(func.min(alike)).correlate(tasks).scalar_subquery()


_pieces = func.all(bindparam("pieces", type_=ARRAY(Text)))
CONDITIONS: Mapping[str, ColumnElement[bool]] = {
    # A condition's place has its name; one that has none is put on by True.
    "status": _c.status == _texts("status"),
    "priority": _c.priority == _texts("priority"),
    "assignee": _c.assignee_id == ids("assignee"),
    "unassigned": _c.assignee_id.is_(None),
    "assignee_or_none": or_(_c.assignee_id == ids("assignee_or_none"), _c.assignee_id.is_(None)),
    "environment": _c.environment_id == ids("environment"),
    "no_environment": _c.environment_id.is_(None),
    "environment_or_none": or_(
        _c.environment_id == ids("environment_or_none"), _c.environment_id.is_(None)
    ),
    "label": _c.labels.op("@>")(bindparam("label", type_=ARRAY(Text))),
    "archived": _c.archived_at.is_not(None),
    "not_archived": _c.archived_at.is_(None),
    "created_by": _c.created_by == ids("created_by"),
    "created_after": _c.created_at > _moment("created_after"),
    "created_before": _c.created_at < _moment("created_before"),
    "updated_after": _c.updated_at > _moment("updated_after"),
    "updated_before": _c.updated_at < _moment("updated_before"),
    "words": _words("words"),
    "words_or_alike": or_(_words("words_or_alike"), likeness() >= LIKENESS),
    "pieces": func.concat(_c.title, " ", _c.description).ilike(_pieces),
}

SEARCHES = frozenset({"words", "words_or_alike"})
"""The conditions on the words' index, which the database computes."""


_rank = literal_column(
    "array_position('{low,medium,high,urgent}'::text[], tasks.priority)", Integer
)
ORDERINGS: Mapping[str, Ordering] = {
    "createdAt": Ordering(_c.created_at),
    "updatedAt": Ordering(_c.updated_at),
    "title": Ordering(_c.title),
    "priority": Ordering(_rank, nullable=False),
    "status": Ordering(_c.status),
    "dueAt": Ordering(_c.due_at),
    "completedAt": Ordering(_c.completed_at),
    "position": Ordering(_c.position),
}
