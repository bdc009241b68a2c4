"""`roost token`: make access tokens."""

from typing import Annotated

import typer

from roost.cli.context import AsJson, DatabaseUrl, DataDir, answer, say, with_owner
from roost.identity import administration

app = typer.Typer(no_args_is_help=True)


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
    *,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Make a token for a user's own workspace. It is shown once."""
    secret, token_id, workspace_id = with_owner(
        data_dir,
        database_url,
        lambda connection: administration.create_token(connection, name, user, scope or ["*"]),
    )
    document = {"token": secret, "id": str(token_id), "workspaceId": str(workspace_id)}
    answer(document, secret, as_json=as_json)
    if not as_json:
        say("Keep it: it is not shown again.")
