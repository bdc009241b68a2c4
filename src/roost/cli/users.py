"""`roost user`: make users, and erase them."""

import sys
from typing import Annotated

import typer

from roost.cli.context import AsJson, DatabaseUrl, DataDir, answer, owner, with_owner
from roost.identity import administration

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def users() -> None:
    """Make users, and erase them."""


@app.command("create")
def create(
    email: Annotated[str, typer.Argument(help="The user's e-mail address.")],
    name: Annotated[str, typer.Option(help="The user's name.")] = "",
    *,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Make a user with a workspace of their own."""
    try:
        administration.check_email(email)
    except administration.OperatorError as error:
        raise typer.BadParameter(str(error)) from error
    made = with_owner(
        data_dir,
        database_url,
        lambda connection: administration.create_user(connection, email, name),
    )
    user_id, workspace_id = made
    document = {"id": str(user_id), "workspaceId": str(workspace_id)}
    answer(
        document, f"{email} is user {user_id}, with the workspace {workspace_id}", as_json=as_json
    )


@app.command("erase")
def erase(
    email: Annotated[str, typer.Argument(help="The user's e-mail address.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: there is no way back.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Erase a user's data, the workspaces that are theirs alone included."""
    with owner(data_dir, database_url) as operator:
        operator.do(lambda connection: administration.find_user(connection, email))
        if not yes:
            _confirm(email)
        user_id = operator.do(lambda connection: administration.erase(connection, email))
    answer({"id": str(user_id)}, f"the user {user_id} is erased", as_json=as_json)


def _confirm(email: str) -> None:
    """Ask, with no database connection open meanwhile; ends the command unless it is a yes."""
    if not sys.stdin.isatty():
        message = "there is no terminal to ask on: --yes erases without being asked"
        raise typer.BadParameter(message)
    typer.confirm(f"Erase {email} for good?", abort=True, err=True)
