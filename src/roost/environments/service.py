"""What can be done with environments: the rules and the statements of each change."""

from typing import Any
from uuid import UUID

from msgspec import UNSET
from uuid_utils.compat import uuid7

from roost import errors
from roost.db.pool import Transaction
from roost.environments import queries, secret_queries
from roost.environments.config import merged, read_config, write_config
from roost.environments.model import EnvironmentCreate, EnvironmentPatch
from roost.errors import ProblemError
from roost.web.etag import require_version
from roost.web.written import Written


def written(row: Any) -> Written:  # noqa: ANN401 -- a record
    """Read a row that a statement gives back; ENVIRONMENT_NOT_FOUND when there is none."""
    return Written.of(row, errors.ENVIRONMENT_NOT_FOUND)


async def lock_environment(
    transaction: Transaction, workspace_id: UUID, environment_id: UUID, expected: int | None
) -> Any:  # noqa: ANN401 -- a record
    """Lock the row and give its `user_id`, `is_active` and `version`.

    ENVIRONMENT_NOT_FOUND, or PRECONDITION_FAILED when the version is not the expected one.
    """
    row = await transaction.row(queries.LOCK, workspace=workspace_id, environment=environment_id)
    if row is None:
        raise ProblemError(errors.ENVIRONMENT_NOT_FOUND)
    require_version(expected, row["version"])
    return row


async def create_environment(
    transaction: Transaction,
    workspace_id: UUID,
    user_id: UUID,
    new: EnvironmentCreate,
    *,
    environment_id: UUID | None = None,
) -> Written:
    """Make an environment of the user, not active; its id is made here unless it is given."""
    row = await transaction.row(
        queries.INSERT,
        new_workspace_id=workspace_id,
        new_id=environment_id or uuid7(),
        new_user_id=user_id,
        **_columns(new),
    )
    return written(row)


async def replace_environment(
    transaction: Transaction,
    workspace_id: UUID,
    environment_id: UUID,
    new: EnvironmentCreate,
    expected: int | None,
) -> Written:
    """Put what can be written anew; what is not given goes back to its default."""
    columns = _columns(new)
    await lock_environment(transaction, workspace_id, environment_id, expected)
    return await _update(transaction, workspace_id, environment_id, columns)


async def patch_environment(
    transaction: Transaction,
    workspace_id: UUID,
    environment_id: UUID,
    patch: EnvironmentPatch,
    expected: int | None,
) -> Written:
    """Apply a merge patch; one without fields changes nothing, not the version either."""
    place = {"workspace": workspace_id, "environment": environment_id}
    await lock_environment(transaction, workspace_id, environment_id, expected)
    columns: dict[str, object] = {
        f"new_{name}": value
        for name in ("name", "description", "repository")
        if (value := getattr(patch, name)) is not UNSET
    }
    if patch.description is None:
        columns["new_description"] = ""
    if patch.config is not UNSET:
        current = await transaction.row(queries.CONFIG, **place)
        assert current is not None  # noqa: S101 -- the row is locked
        columns["new_config"] = merged(current["config"], bytes(patch.config))
    if not columns:
        return written(await transaction.row(queries.READ, **place))
    return await _update(transaction, workspace_id, environment_id, columns)


async def delete_environment(
    transaction: Transaction, workspace_id: UUID, environment_id: UUID, expected: int | None
) -> list[str]:
    """Delete an environment with its secrets; tasks that named it stay, without it.

    Gives the names of the secrets.
    """
    place = {"workspace": workspace_id, "environment": environment_id}
    await lock_environment(transaction, workspace_id, environment_id, expected)
    secrets = await transaction.rows(secret_queries.NAMES, **place)
    await transaction.row(queries.DELETE, **place)
    return [row["name"] for row in secrets]


def _columns(new: EnvironmentCreate) -> dict[str, object]:
    config = {} if new.config is UNSET else read_config(bytes(new.config))
    return {
        "new_name": new.name,
        "new_description": new.description,
        "new_repository": new.repository,
        "new_config": write_config(config),
    }


async def _update(
    transaction: Transaction,
    workspace_id: UUID,
    environment_id: UUID,
    columns: dict[str, object],
) -> Written:
    names = tuple(sorted(name.removeprefix("new_") for name in columns))
    row = await transaction.row(
        queries.environment_update(names),
        workspace=workspace_id,
        environment=environment_id,
        **columns,
    )
    return written(row)
