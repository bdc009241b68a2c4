"""Agents: users that are no persons. Each belongs to one workspace and has one token."""

from dataclasses import replace
from uuid import UUID

from uuid_utils.compat import uuid7

from roost import errors
from roost.db.pool import Transaction
from roost.db.tenancy import Context
from roost.errors import ProblemError
from roost.identity import queries
from roost.identity.tokens import queries as token_queries
from roost.web.principal import Principal, grants, permissions_of

DEFAULT_ROLE = "member"
_ADDRESS = "agents.noreply.invalid"
_RANK = ("viewer", "member", "admin", "owner")


def require_authority_over(principal: Principal, role: str, scopes: list[str]) -> None:
    """Raise FORBIDDEN unless the caller may make an agent of that role for those scopes.

    A scope must give the agent something: one that its role denies wholly is a mistake.
    """
    if not principal.is_admin:
        raise ProblemError(errors.FORBIDDEN, "only an administrator makes service tokens")
    if _RANK.index(role) > _RANK.index(principal.role):
        raise ProblemError(errors.FORBIDDEN, f"an agent of yours can't have the role {role!r}")
    own = permissions_of(role, frozenset({"*"}), is_agent=True)
    for scope in scopes:
        if not any(grants(frozenset({scope}), name) for name in own):
            raise ProblemError(
                errors.FORBIDDEN, f"an agent with the role {role!r} can't have the scope {scope!r}"
            )


async def make_agent(transaction: Transaction, name: str, role: str, context: Context) -> UUID:
    """Make an agent that is a member of the context's workspace; gives its id."""
    agent_id = uuid7()
    # Whoever deletes the workspace meanwhile would not know of its new member.
    if await transaction.row(queries.LOCK_WORKSPACE, workspace=context.workspace_id) is None:
        raise ProblemError(errors.WORKSPACE_NOT_FOUND)
    # The policies let a user be made by none but that user.
    await transaction.enter(replace(context, user_id=agent_id, actor_id=context.user_id))
    await transaction.row(
        token_queries.INSERT_AGENT,
        new_id=agent_id,
        new_email=f"{agent_id}@{_ADDRESS}",
        new_name=name,
        new_kind="agent",
    )
    await transaction.row(
        queries.INSERT_MEMBERSHIP,
        new_id=uuid7(),
        new_workspace_id=context.workspace_id,
        new_user_id=agent_id,
        new_role=role,
    )
    await transaction.enter(context)
    return agent_id
