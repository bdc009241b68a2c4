"""The `roost` command: one file per sub-command, loaded when it is called."""

from roost.cli.main import main

__all__ = ["main"]
