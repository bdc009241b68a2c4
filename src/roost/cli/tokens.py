"""`roost token`: make access tokens."""

from datetime import timedelta
from enum import Enum
from typing import Annotated

import typer

from roost.cli.context import AsJson, DatabaseUrl, DataDir, answer, say, with_owner
from roost.identity import administration

app = typer.Typer(no_args_is_help=True, add_completion=False)


class Role(Enum):
    """What an agent may be in its workspace."""

    VIEWER = "viewer"
    MEMBER = "member"
    ADMIN = "admin"


@app.callback()
def tokens() -> None:
    """Make access tokens."""


@app.command("create")
def create(  # noqa: PLR0913 -- a command line has as many options as it has
    name: Annotated[str, typer.Option(help="What the token is for.")],
    user: Annotated[
        str | None, typer.Option(help="E-mail of its user; default: the first.")
    ] = None,
    scope: Annotated[
        list[str] | None, typer.Option(help="What it may do, as `tasks:read`; default: everything.")
    ] = None,
    expires_in: Annotated[
        int | None,
        typer.Option(
            help="Days until it expires; default: never.", metavar="DAYS", min=1, max=3650
        ),
    ] = None,
    role: Annotated[
        Role | None, typer.Option(help="With --service, the agent's role; default: member.")
    ] = None,
    *,
    service: Annotated[
        bool, typer.Option("--service", help="For an agent of its own, in that workspace alone.")
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Make a token for a user's own workspace. It is shown once."""
    if role is not None and not service:
        message = "--role is for --service: other tokens have the role of their user"
        raise typer.BadParameter(message)
    scopes = scope or ["*"]
    try:
        administration.check_token(name, scopes)
    except administration.OperatorError as error:
        raise typer.BadParameter(str(error)) from error
    secret, token_id, workspace_id = with_owner(
        data_dir,
        database_url,
        lambda connection: administration.create_token(
            connection,
            name,
            user,
            scopes,
            agent_role=(role or Role.MEMBER).value if service else None,
            life=None if expires_in is None else timedelta(days=expires_in),
        ),
    )
    document = {"token": secret, "id": str(token_id), "workspaceId": str(workspace_id)}
    answer(document, secret, as_json=as_json)
    if not as_json:
        say("Keep it: it is not shown again.")
