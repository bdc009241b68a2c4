"""The `roost` command's list of sub-commands."""

import sys

import typer

from roost.cli import bench, db, doctor, login_link, migrate, serve, sync, tokens, users
from roost.cli.context import report_failures

app = typer.Typer(
    name="roost",
    help="Roost, the self-hosted home for the work of coding agents.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("serve")(serve.serve)
app.command("migrate")(migrate.migrate)
app.command("login-link")(login_link.login_link)
app.command("doctor")(doctor.doctor)
app.command("bench")(bench.bench)
app.add_typer(users.app, name="user", help="Make users, and erase them.")
app.add_typer(tokens.app, name="token", help="Make access tokens.")
app.add_typer(sync.app, name="sync", help="Live shapes of any PostgreSQL's tables.")
app.add_typer(db.app, name="db", help="Schema revisions.")


def main() -> None:
    """Run the command line; exit status 0, 1 (it failed) or 2 (the call is wrong)."""
    sys.exit(report_failures(app))
