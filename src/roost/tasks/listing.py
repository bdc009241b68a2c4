"""From a list's parameters to its conditions: which are on, with the values of their places."""

from typing import Any
from uuid import UUID

from roost.tasks.model import TaskQuery
from roost.tasks.search import read_search
from roost.tasks.service import in_range
from roost.web.query import invalid


def read_conditions(query: TaskQuery, user_id: UUID, *, alike: bool) -> dict[str, Any]:
    """Read the parameters; `alike` says to compare misspelt words too."""
    given: dict[str, Any] = {
        "status": query.status,
        "priority": query.priority,
        "label": query.label,
        "archived": query.archived or None,
        "not_archived": query.archived is False or None,
    }
    for name in ("created_after", "created_before", "updated_after", "updated_before"):
        given[name] = in_range(name, getattr(query, name))
    given |= _people("created_by", query.created_by, me=user_id)
    given |= _people("assignee", query.assignee, me=user_id, none="unassigned")
    given |= _people("environment", query.environment, none="no_environment")
    if query.search is not None:
        given |= search_conditions(query.search, alike=alike)
    return given


def search_conditions(text: str, *, alike: bool) -> dict[str, Any]:
    """Read a search text; nothing is on when there is nothing to search for."""
    terms = read_search(text)
    given: dict[str, Any] = {"pieces": list(terms.pieces)} if terms.pieces else {}
    if terms.words is None:
        return given
    if not (alike and terms.typed):
        return given | {"words": terms.words}
    return given | {"words_or_alike": terms.words, "typed": list(terms.typed)}


def _people(
    name: str, given: list[str] | None, *, me: UUID | None = None, none: str | None = None
) -> dict[str, Any]:
    """Read a list of ids, in which `me` and `none` may stand."""
    if given is None:
        return {}
    ids: list[UUID] = []
    with_none = False
    for text in given:
        if text == "me" and me is not None:
            ids.append(me)
        elif text == "none" and none is not None:
            with_none = True
        else:
            ids.append(_uuid(name, text))
    if with_none and none is not None and not ids:
        return {none: True}
    return {f"{name}_or_none" if with_none else name: ids}


def _uuid(name: str, text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        wire = "createdBy" if name == "created_by" else name
        raise invalid(wire, f"must list ids; {text[:50]!r} is none", "uuid") from error
