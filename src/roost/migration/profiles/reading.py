"""Profiles read: all of their origins, or the one that is asked for."""

from datetime import UTC, datetime

import msgspec

from roost.migration.profiles import chromium, firefox
from roost.migration.profiles.copies import private_folder
from roost.migration.profiles.places import Browser
from roost.migration.profiles.storage import Profile, ProfileError, Reading, Unreadable, export

_LISTED = 20


class Taken(msgspec.Struct):
    """One origin's dump, where it was, and what is not in it."""

    profile: Profile
    raw: bytes
    keys: int
    unreadable: list[Unreadable]
    damage: list[str]
    notes: list[str]


def read(profile: Profile, only: str | None = None) -> Reading:
    """Read a profile from a copy, which is gone afterwards. ProfileError when it can't be."""
    reader = firefox.read if profile.browser is Browser.FIREFOX else chromium.read
    with private_folder() as private:
        return reader(profile.folder, private, only)


def take(profiles: list[Profile], origin: str) -> Taken:
    """Take the dump of `origin`, which one of the profiles must hold. ProfileError."""
    wanted = origin.rstrip("/")
    readings = [(profile, datetime.now(UTC), read(profile, wanted)) for profile in profiles]
    holding = [each for each in readings if wanted in _names(each[2])]
    if not holding:
        raise ProfileError(_nothing(profiles, wanted, [each[2] for each in readings]))
    if len(holding) > 1:
        listed = "\n".join(f"  --profile '{profile.folder}'" for profile, _, _ in holding)
        message = f"{len(holding)} profiles have data of {wanted}. Choose one:\n{listed}"
        raise ProfileError(message)
    profile, captured_at, reading = holding[0]
    storage = reading.storages[wanted]
    raw = export(storage, captured_at)
    return Taken(profile, raw, len(storage.keys), storage.unreadable, reading.damage, reading.notes)


def _names(reading: Reading) -> list[str]:
    return [storage.origin for storage in reading.held]


def _nothing(profiles: list[Profile], wanted: str, readings: list[Reading]) -> str:
    names = sorted({name for profile in profiles for name in _names(read(profile))})
    listed = ", ".join(names[:_LISTED]) or "nothing"
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    damage = "".join(f"\n{each}" for reading in readings for each in reading.damage)
    return f"The browser has no localStorage of {wanted}. It has: {listed}{more}.{damage}"
