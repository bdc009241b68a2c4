"""Browsers' profiles at the command line: what they hold, and one origin's dump of them."""

import json
import shlex
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from roost.cli.context import CommandError, say
from roost.migration.profiles.places import Browser

_NAMED = 50


def dump(
    browser: Browser, profile: str | None, origin: str, *, limit: int, keep_going: bool
) -> tuple[bytes, dict[str, Any]]:
    """Take one origin's dump, and for machines what is not in it.

    CommandError when it can't be had whole, unless `keep_going`.
    """
    # Here, for only this command needs the readers.
    from roost.migration.profiles import finding, reading, storage  # noqa: PLC0415 -- see above

    try:
        taken = reading.take(finding.find(browser, profile), origin)
    except storage.ProfileError as error:
        raise CommandError(str(error)) from error
    for note in taken.notes:
        say(f"note: {note}")
    missing = [f"{_plain(each.key)}: {each.reason}" for each in taken.unreadable]
    missing += taken.damage
    for each in missing[:_NAMED]:
        say(f"unreadable: {each}")
    if len(missing) > _NAMED:
        say(f"… and {len(missing) - _NAMED} more")
    if missing and not keep_going:
        message = f"{len(missing)} places of the profile can't be read, and nothing was migrated."
        message += "\nWith --continue-on-error the rest is."
        raise CommandError(message)
    if len(taken.raw) > limit:
        message = f"{origin} has more than {limit:,} bytes; ROOST_DUMP_LIMIT_MB raises the limit"
        raise CommandError(message)
    return taken.raw, {
        "unreadable": [{"key": each.key, "reason": each.reason} for each in taken.unreadable],
        "damage": taken.damage,
    }


def list_origins(browser: Browser, profile: str | None, *, as_json: bool) -> None:
    """Print each profile's origins, and the command for the one that holds known work."""
    from roost.migration.profiles import finding, reading, storage  # noqa: PLC0415 -- as above

    try:
        profiles = finding.find(browser, profile)
        found = [_described(each, reading.read(each)) for each in profiles]
    except storage.ProfileError as error:
        raise CommandError(str(error)) from error
    command = _suggested(found)
    if as_json:
        print(json.dumps({"profiles": found, "suggestion": command}))  # noqa: T201 -- the command line speaks here
        return
    console = Console()
    for each in found:
        _print(console, each)
    if command:
        say(f"One origin holds keys that Roost knows. To see what would become of it:\n{command}")
    elif any(each["origins"] for each in found):
        say("Choose an origin with --origin.")
    else:
        say("No page has stored anything there.")


def _described(profile: Any, found: Any) -> dict[str, Any]:  # noqa: ANN401 -- loaded late
    return {
        "browser": profile.browser.value,
        "name": profile.name,
        "path": str(profile.folder),
        "origins": [
            {
                "origin": each.origin,
                "keys": len(each.keys),
                "bytes": each.size,
                "known": each.known,
                "unreadable": [{"key": bad.key, "reason": bad.reason} for bad in each.unreadable],
            }
            for each in found.held
        ],
        "damage": found.damage,
        "notes": found.notes,
    }


def _suggested(found: list[dict[str, Any]]) -> str | None:
    holding = [(each, origin) for each in found for origin in each["origins"] if origin["known"]]
    if len(holding) != 1:
        return None
    profile, origin = holding[0]
    words = ["roost", "migrate", "--from", profile["browser"], "--profile", profile["path"]]
    return shlex.join([*words, "--origin", origin["origin"], "--dry-run"])


def _print(console: Console, profile: dict[str, Any]) -> None:
    title = Text(f"{profile['name']}: {profile['path']}")
    table = Table(title=title, title_justify="left")
    table.add_column("origin", overflow="fold")
    table.add_column("keys", justify="right")
    table.add_column("bytes", justify="right")
    table.add_column("known keys", overflow="fold")
    for each in profile["origins"]:
        keys, size, known = f"{each['keys']:,}", f"{each['bytes']:,}", ", ".join(each["known"])
        table.add_row(Text(_plain(each["origin"])), keys, size, Text(known))
    console.print(table)
    for each in profile["origins"]:
        for bad in each["unreadable"]:
            say(f"unreadable: {_plain(each['origin'])}, {_plain(bad['key'])}: {bad['reason']}")
    for damage in profile["damage"]:
        say(f"unreadable: {damage}")


def _plain(text: str) -> str:
    """Text of a page's choice, without what would steer a terminal."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text)[:200]
