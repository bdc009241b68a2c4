"""Environments as they were at a moment: with the names of their secrets, never a value."""

from dataclasses import replace
from typing import Final

from roost.db.tenancy import tenant_read
from roost.environments import queries
from roost.environments.tables import environment_secrets, environments
from roost.history.kinds import Kind, Reference
from roost.history.states import BY_ID, Keys, past, states

_NEVER: Final = ("ciphertext",)
ENVIRONMENTS: Final = replace(
    queries.ENVIRONMENTS,
    name="environments.past",
    ctes=(past(), states(environments), states(environment_secrets, exclude=_NEVER)),
)
ENVIRONMENT: Final = tenant_read(
    "select environments.past",
    queries.ITEM,
    ctes=(
        past(),
        states(environments, BY_ID),
        states(environment_secrets, Keys(only="environment_id"), exclude=_NEVER),
    ),
)
"""Places: `environment`, `of_id` and `of_environment_id` with it, and those of the moment."""

ENVIRONMENT_KIND: Final = Kind(
    name="environments",
    table=environments,
    as_text=queries.own_json,
    listing=replace(ENVIRONMENTS, default="createdAt"),
    single="is_active",
    kept_by=Reference("environment_id", environment_secrets),
)
