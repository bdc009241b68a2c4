"""From a list's parameters to its conditions: which are on, with the values of their places."""

from typing import Any
from uuid import UUID

from roost.environments.model import EnvironmentQuery
from roost.web.query import invalid


def read_conditions(query: EnvironmentQuery, user_id: UUID) -> dict[str, Any]:
    """Read the parameters; VALIDATION_ERROR names the one that can't be used."""
    return {
        "search": query.search,
        "is_active": query.is_active,
        "repository": query.repository,
        "owner": None if query.user_id is None else _user(query.user_id, user_id),
    }


def _user(text: str, me: UUID) -> UUID:
    if text == "me":
        return me
    try:
        return UUID(text)
    except ValueError as error:
        raise invalid("userId", "must be a user's id, or me", "uuid") from error
