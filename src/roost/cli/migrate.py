"""`roost migrate`: a browser's data, from a file or a profile on disk, into the database."""

import asyncio
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, cast

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from roost.cli import profiles
from roost.cli.context import (
    AsJson,
    CommandError,
    DatabaseUrl,
    DataDir,
    opened,
    read_settings,
    ready,
    say,
)
from roost.db.target import Target
from roost.migration.model import Aliases, Config, ConflictResolution
from roost.migration.profiles.places import Browser

_SHORT = {"skip": "AUTO_SKIP", "overwrite": "AUTO_OVERWRITE", "merge": "AUTO_MERGE"}
_VERDICTS = ("create", "same", "update", "conflict", "invalid", "skip")
_PHASES = {
    "received": "looking",
    "planned": "planned",
    "applying": "writing",
    "verifying": "checking",
    "completed": "done",
}
_NAMED = 50
_CREDENTIALS = ("SECRET_ENCRYPTED", "SECRETS_ENCRYPTED", "SECRET_IN_TEXT")


def _conflict(text: str) -> ConflictResolution:
    name = text.strip().upper().replace("-", "_")
    try:
        return ConflictResolution(_SHORT.get(name.lower(), name))
    except ValueError:
        names = ", ".join((*ConflictResolution, *_SHORT))
        message = f"{text!r} is none of {names}"
        raise typer.BadParameter(message) from None


def migrate(  # noqa: PLR0913 -- a command line has as many options as it has
    file: Annotated[
        Path | None,
        typer.Argument(
            help="The export: JSON of localStorage keys and raw strings.", show_default=False
        ),
    ] = None,
    *,
    browser: Annotated[
        Browser | None,
        typer.Option(
            "--from", help="Read this browser's profile on disk instead; it may be running."
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            help="The profile's folder or name, with --from; default: all at the usual places."
        ),
    ] = None,
    user: Annotated[
        str | None, typer.Option(help="E-mail of its owner; default: the first user.")
    ] = None,
    conflict: Annotated[
        ConflictResolution,
        typer.Option(
            parser=_conflict,
            metavar="MODE",
            help="What to do with items that Roost has otherwise: interactive, skip, overwrite,"
            " merge.",
        ),
    ] = ConflictResolution.INTERACTIVE,
    origin: Annotated[
        str | None,
        typer.Option(
            help="Whose data it is, where there are several; with --from and without this,"
            " they are listed."
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Items a transaction.", min=1, max=5000)] = 500,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Make the plan and write nothing else.")
    ] = False,
    continue_on_error: Annotated[
        bool,
        typer.Option("--continue-on-error", help="Quarantine what is damaged, migrate the rest."),
    ] = False,
    no_backup: Annotated[
        bool, typer.Option("--no-backup", help="Keep no copy of the rows that are changed.")
    ] = False,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Don't read and compare what was written.")
    ] = False,
    alias: Annotated[
        list[str] | None,
        typer.Option(
            help="What the data calls its owner, where Roost does not know it: rows of any other"
            " userId are left out. May be given several times."
        ),
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Migrate a browser's localStorage from a file or a profile. Twice changes nothing."""
    _require_one_source(file, browser, profile)
    if browser is not None and origin is None:
        profiles.list_origins(browser, profile, as_json=as_json)
        return
    config = Config(
        conflict_resolution=conflict,
        dry_run=dry_run,
        backup_before_migration=not no_backup,
        validate_after_migration=not no_verify,
        continue_on_error=continue_on_error,
        batch_size=batch_size,
        aliases=_aliases(alias or []),
    )
    settings, place = read_settings(data_dir, database_url)
    if browser is not None and origin is not None:
        raw, missing = profiles.dump(
            browser, profile, origin, limit=settings.dump_limit, keep_going=continue_on_error
        )
    else:
        raw, missing = _read(cast("Path", file), settings.dump_limit), {}
    with opened(settings, place) as target:
        # Here, for it loads everything: `roost --help` should not wait for that.
        from roost.migration.command import Order, migrate_file  # noqa: PLC0415

        order = Order(raw, user, origin, config, settings.secret_keys, place)
        del raw  # it may be large, and is let go of when it is stored
        with _bar(quiet=as_json) as bar:
            document = asyncio.run(_run(target, order, bar, migrate_file))
    document |= missing
    if as_json:
        print(json.dumps(document))  # noqa: T201 -- the command line speaks here
    else:
        _tell(document)
    if document["state"] == "failed":
        message = f"the migration failed: {document['error']['message']}"
        if document["error"]["code"] == "ITEM_INVALID":
            message += "\nAt the command line that is --continue-on-error."
        raise CommandError(message)
    if document["state"] == "awaiting_resolution":
        number = document["counts"]["conflict"]
        message = f"{number} items are in Roost with other content, and nothing was written."
        message += "\nSay what to do with them: --conflict skip, overwrite or merge."
        raise CommandError(message)


def _aliases(given: list[str]) -> list[str]:
    try:
        return msgspec.convert(given, Aliases)
    except msgspec.ValidationError as error:
        raise typer.BadParameter(str(error), param_hint="--alias") from error


def _require_one_source(file: Path | None, browser: Browser | None, profile: str | None) -> None:
    if (file is None) is (browser is None):
        message = "give either a FILE, or --from with a browser"
        raise typer.BadParameter(message)
    if profile is not None and browser is None:
        message = "--profile needs --from, with the browser whose profile it is"
        raise typer.BadParameter(message)


def _read(file: Path, limit: int) -> bytes:
    try:
        with file.open("rb") as stream:
            # A file has its size at once; a pipe, which has none, says so when it is read.
            raw = stream.read(min(os.fstat(stream.fileno()).st_size, limit) + 1)
            raw += stream.read(limit + 1 - len(raw))
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror}"
        raise CommandError(message) from error
    if len(raw) > limit:
        message = f"{file} has more than {limit:,} bytes; ROOST_DUMP_LIMIT_MB raises the limit"
        raise CommandError(message)
    return raw


_SWITCH = 0.0005
"""Seconds after which the thread that reads lets the one that writes have its turn."""


async def _run(target: Target, order: Any, bar: Bar, migrate_file: Any) -> dict[str, Any]:  # noqa: ANN401 -- loaded late
    sys.setswitchinterval(_SWITCH)
    prepared = await ready(target)
    task = bar.add_task("reading", total=None, key="")

    def show(progress: Any) -> None:  # noqa: ANN401 -- a Progress
        phase = _PHASES.get(progress.phase.value, progress.phase.value)
        bar.update(
            task, description=phase, completed=progress.done, total=progress.total,
            key=progress.current_key or "",
        )  # fmt: skip

    document: dict[str, Any] = await migrate_file(prepared, order, show)
    return document


def _bar(*, quiet: bool) -> Bar:
    return Bar(
        TextColumn("{task.description:<9}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[key]}", markup=False),
        console=Console(stderr=True),
        disable=quiet,
        transient=True,
    )


def _tell(document: dict[str, Any]) -> None:
    """Print what became of it: verdicts by kind, and each item that could not be read."""
    console = Console(stderr=True)
    table = Table(title=f"Migration {document['id']}: {document['state']}", title_justify="left")
    table.add_column("kind")
    for verdict in _VERDICTS:
        table.add_column(verdict, justify="right")
    tally = document["kinds"]
    for kind in sorted(tally):
        table.add_row(kind, *(str(tally[kind].get(verdict, 0) or "") for verdict in _VERDICTS))
    total: Counter[str] = Counter()
    for verdicts in tally.values():
        total.update(verdicts)
    table.add_section()
    table.add_row("all", *(str(total[verdict]) for verdict in _VERDICTS))
    console.print(table)
    for problem in document["problems"][:_NAMED]:
        say(f"{problem['verdict']}: {_named(problem)}")
    if len(document["problems"]) > _NAMED:
        say(f"… and {len(document['problems']) - _NAMED} more; --json names them all")
    _tell_left_out(document)
    _tell_credentials(document["credentials"])


def _tell_left_out(document: dict[str, Any]) -> None:
    """Say how many items are somebody else's, and whose."""
    if number := document["counts"]["otherUser"]:
        say(f"{number} items were left out, for they are somebody else's:")
        for each in document["others"][:_NAMED]:
            say(f"  {each['number']}: {each['detail']}")


def _tell_credentials(items: list[dict[str, Any]]) -> None:
    """Name each credential that was found."""
    if items:
        say("Credentials were found, which every script of the page could read:")
    for item in items[:_NAMED]:
        for warning in item["warnings"]:
            if warning["code"] in _CREDENTIALS:
                parts = (item["key"], item["sourceId"], warning.get("field"), warning["detail"])
                say(f"  {', '.join(filter(None, dict.fromkeys(parts)))}")
    if len(items) > _NAMED:
        say(f"  … and in {len(items) - _NAMED} more items; --json names them all")


def _named(problem: dict[str, Any]) -> str:
    parts = [problem["key"], problem["kind"]]
    parts += [str(problem[name]) for name in ("sourceId", "field", "reason") if problem[name]]
    if problem["offset"] is not None:
        parts.append(f"byte {problem['offset']}")
    return ", ".join(parts)
