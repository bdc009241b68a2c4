"""`roost login-link`: a link that logs a user in once."""

from typing import Annotated, Any

import typer

from roost.cli.context import AsJson, DatabaseUrl, DataDir, answer, with_owner
from roost.identity import administration
from roost.identity.administration import LINK_PATH


def login_link(
    user: Annotated[str | None, typer.Option(help="The user's e-mail; default: the first.")] = None,
    url: Annotated[str, typer.Option(help="The address of the server.")] = "http://127.0.0.1:8787",
    *,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Print a link that logs a user in once, within an hour."""

    async def make(connection: Any) -> str:  # noqa: ANN401 -- asyncpg's connection
        found = await administration.find_user(connection, user)
        return await administration.create_login_link(connection, found)

    link = f"{url}{LINK_PATH}?token={with_owner(data_dir, database_url, make)}"
    answer({"url": link}, link, as_json=as_json)
