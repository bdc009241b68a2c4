"""What an environment is on the wire, with its limits."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

from msgspec import UNSET, Meta, Raw, UnsetType

from roost.history.moments import AsOf
from roost.web.paging import SortQuery
from roost.web.structs import Incoming, Outgoing

CONFIG_LIMIT = 256 * 1024
"""Bytes of a config, written without spaces."""
SECRET_LIMIT = 65_536
"""Characters of a secret."""
SECRET_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")

Name = Annotated[str, Meta(min_length=1, max_length=255)]
Description = Annotated[str, Meta(max_length=10_000)]
Repository = Annotated[str, Meta(max_length=255)]
_CONFIG_ABOUT = "Free settings, without secrets; 256 KiB. Numbers are kept exactly."
# JSON as it was written, for a float would lose digits; `environments.config` reads it.
Config = Annotated[
    Raw | UnsetType, Meta(extra_json_schema={"type": "object", "description": _CONFIG_ABOUT})
]
ConfigPatch = Annotated[
    Raw | UnsetType,
    Meta(extra_json_schema={"type": ["object", "null"], "description": _CONFIG_ABOUT}),
]


class _Input(Incoming):
    elsewhere: ClassVar[Mapping[str, str]] = {
        "isActive": "use POST /environments/{id}/activate or /deactivate",
        "is_active": "use POST /environments/{id}/activate or /deactivate",
        "secrets": "use PUT /environments/{id}/secrets/{name}",
    }


class EnvironmentCreate(_Input):
    """The body of `POST /environments`, and of `PUT`: what is not given has its default."""

    name: Name
    description: Description = ""
    repository: Repository | None = None
    config: Config = UNSET


class EnvironmentPatch(_Input):
    """The body of `PATCH`: a merge patch (RFC 7396), into the config too; null clears."""

    name: Name | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    repository: Repository | UnsetType | None = UNSET
    config: ConfigPatch = UNSET


class SecretValue(_Input):
    """The body of `PUT …/secrets/{name}`; never shown, not even in a traceback."""

    value: Annotated[str, Meta(min_length=1, max_length=SECRET_LIMIT)]

    def __repr__(self) -> str:
        """Hide the value."""
        return "SecretValue(…)"


class EnvironmentQuery(SortQuery, frozen=True, rename="camel", kw_only=True):
    """The parameters of `GET /environments`."""

    search: (
        Annotated[
            str, Meta(max_length=500, description="A part of name, description or repository.")
        ]
        | None
    ) = None
    is_active: bool | None = None
    repository: Annotated[str, Meta(max_length=255)] | None = None
    user_id: Annotated[str, Meta(description="A user's id, or `me`.")] | None = None
    as_of: AsOf | None = None
    sort: (
        Annotated[
            str, Meta(description="`name`, `createdAt`, `updatedAt`, `-` before for descending.")
        ]
        | None
    ) = None


class SecretName(Outgoing):
    """What is shown of a secret."""

    name: str
    updated_at: datetime


class Environment(Outgoing):
    """An environment as it goes out."""

    id: UUID
    workspace_id: UUID
    user_id: UUID
    name: str
    description: str
    repository: str | None
    config: dict[str, Any]
    is_active: bool
    secrets: list[SecretName]
    version: int
    created_at: datetime
    updated_at: datetime
