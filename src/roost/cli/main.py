"""The `roost` command's list of sub-commands; each is loaded when it is called."""

import sys
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command

from roost.cli.context import report_failures

_COMMANDS: Final = {
    "serve": "serve:serve",
    "migrate": "migrate:migrate",
    "login-link": "login_link:login_link",
    "doctor": "doctor:doctor",
    "bench": "bench:bench",
    "user": "users:app",
    "token": "tokens:app",
    "sync": "sync:app",
    "db": "db:app",
}
"""Where each is: a function, or the list of the commands below it."""


class Commands(TyperGroup):
    """Loads a command when it is asked for: to list them all is as slow as all of them."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 -- Typer's own kind
        """Give their names in the order of the help."""
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401, ARG002 -- Typer's own kind
        """Load one; None when there is none of that name."""
        if cmd_name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[cmd_name].partition(":")
        found = getattr(import_module(f"roost.cli.{module}"), attribute)
        if not isinstance(found, typer.Typer):
            alone = typer.Typer(add_completion=False)
            alone.command(cmd_name)(found)
            found = alone
        command = get_command(found)
        command.name = cmd_name
        return command


app = typer.Typer(
    name="roost",
    cls=Commands,
    help="Roost, the self-hosted home for the work of coding agents.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def _roost() -> None:
    """Have a list of commands, though none is known yet."""


def main() -> None:
    """Run the command line; exit status 0, 1 (it failed) or 2 (the call is wrong)."""
    sys.exit(report_failures(app))
