"""The `roost` command's list of sub-commands; each is loaded when it is called."""

import sys
from collections.abc import Iterator, Mapping
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


class _Loaded(Mapping[str, Any]):
    """The commands by name: all names are known, and each is loaded when it is asked for."""

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 -- Typer's own kind
        module, _, attribute = _COMMANDS[name].partition(":")
        found = getattr(import_module(f"roost.cli.{module}"), attribute)
        if not isinstance(found, typer.Typer):
            alone = typer.Typer(add_completion=False)
            alone.command(name)(found)
            found = alone
        command = get_command(found)
        command.name = name
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(_COMMANDS)

    def __len__(self) -> int:
        return len(_COMMANDS)


class Commands(TyperGroup):
    """Loads a command when it is asked for; to list them all loads them all."""

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 -- Typer's own
        """Know the commands by name."""
        super().__init__(*args, **options)
        self.commands = _Loaded()  # type: ignore[assignment]  # nothing is added to it


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
