"""The secrets of environments: set, removed, sealed anew; read back by code, never by a route."""

from uuid import UUID

from uuid_utils.compat import uuid7

from roost import errors
from roost.db.pool import Transaction
from roost.db.sealing import SecretBox
from roost.environments import queries, secret_queries
from roost.environments.model import SECRET_NAME
from roost.environments.service import lock_environment
from roost.errors import FieldError, ProblemError


def check_secret_name(name: str) -> str:
    """Give the name back; VALIDATION_ERROR when a secret can't have it."""
    if not SECRET_NAME.fullmatch(name):
        message = (
            "must begin with a letter or _ and go on with letters, digits, _, . or -, "
            "128 characters at most"
        )
        raise ProblemError(
            errors.VALIDATION_ERROR, f"name {message}", errors=[FieldError("name", message)]
        )
    return name


async def set_secret(  # noqa: PLR0913 -- where it goes, what it is, and the condition
    transaction: Transaction,
    workspace_id: UUID,
    environment_id: UUID,
    name: str,
    ciphertext: bytes,
    *,
    expected: int | None = None,
) -> None:
    """Store a sealed value under a checked name; the environment gets a new version."""
    place = {"workspace": workspace_id, "environment": environment_id}
    await lock_environment(transaction, workspace_id, environment_id, expected)
    await transaction.row(
        secret_queries.PUT_SECRET, **place, new_id=uuid7(), secret=name, new_ciphertext=ciphertext
    )
    await transaction.row(queries.environment_update(()), **place)


async def delete_secret(
    transaction: Transaction,
    workspace_id: UUID,
    environment_id: UUID,
    name: str,
    expected: int | None = None,
) -> None:
    """Remove a secret; SECRET_NOT_FOUND when there is none of that name."""
    place = {"workspace": workspace_id, "environment": environment_id}
    await lock_environment(transaction, workspace_id, environment_id, expected)
    if await transaction.row(secret_queries.DELETE_SECRET, **place, secret=name) is None:
        raise ProblemError(errors.SECRET_NOT_FOUND)
    await transaction.row(queries.environment_update(()), **place)


async def reveal_secrets(
    transaction: Transaction, workspace_id: UUID, environment_id: UUID, box: SecretBox
) -> dict[str, str]:
    """Open an environment's secrets, by name; SecretKeyError when a key is missing."""
    rows = await transaction.rows(
        secret_queries.SECRETS, workspace=workspace_id, environment=environment_id
    )
    return {row["name"]: box.open(row["ciphertext"]) for row in rows}


async def rotate_secrets(transaction: Transaction, workspace_id: UUID, box: SecretBox) -> int:
    """Seal a workspace's secrets anew with the newest key; gives their number, all or none.

    SecretKeyError when a key is missing. What clients see of a secret stays the same.
    """
    rows = await transaction.rows(secret_queries.ALL_SECRETS, workspace=workspace_id)
    for row in rows:
        await transaction.row(
            secret_queries.RESEAL_SECRET,
            workspace=workspace_id,
            secret_id=row["id"],
            new_ciphertext=box.rotate(row["ciphertext"]),
        )
    return len(rows)
