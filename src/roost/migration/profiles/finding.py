"""Which profiles there are: at a browser's usual places, or where the caller says."""

import configparser
from pathlib import Path

from roost.migration.profiles import places
from roost.migration.profiles.places import Browser
from roost.migration.profiles.storage import Profile, ProfileError

_FIREFOX = (places.FIREFOX_ORIGINS, places.FIREFOX_ARCHIVE, places.FIREFOX_LEGACY)


def find(browser: Browser, given: str | None, roots: list[Path] | None = None) -> list[Profile]:
    """Find the profiles with a localStorage; `given` is a folder, or a profile's name.

    A folder is a profile or holds several. ProfileError when there are none.
    """
    usual = places.roots(browser) if roots is None else roots
    try:
        if given is not None and Path(given).expanduser().is_dir():
            return _in_folder(browser, Path(given).expanduser().resolve())
        found = [each for root in usual for each in _below(browser, root)]
    except OSError as error:
        message = f"{error.filename} cannot be read: {error.strerror}."
        raise ProfileError(message) from error
    if given is not None:
        return _named(found, browser, given)
    if not found:
        looked = "\n".join(f"  {root}" for root in usual)
        message = f"No profile of {browser} was found. Looked in:\n{looked}"
        message += "\nSay where it lies: --profile DIR."
        raise ProfileError(message)
    return found


def _named(found: list[Profile], browser: Browser, name: str) -> list[Profile]:
    fitting = [each for each in found if each.name == name]
    if fitting:
        return fitting
    listed = ", ".join(dict.fromkeys(each.name for each in found)) or "none"
    message = f"There is no folder {name}, and no profile of {browser} of that name. Found: "
    raise ProfileError(message + listed)


def _in_folder(browser: Browser, folder: Path) -> list[Profile]:
    found = _below(browser, folder)
    if found:
        return found
    other = Browser.CHROMIUM if browser is Browser.FIREFOX else Browser.FIREFOX
    message = f"{folder} is no profile of {browser} with a localStorage, and holds none."
    if _below(other, folder):
        family = "the Chrome family's" if other is Browser.CHROMIUM else "Firefox's"
        message += f"\nIt looks like {family}: --from {other}"
    elif any((folder / "Local Storage").glob("*.localstorage")):
        message += "\nIt is of Chrome before version 61, whose format is not read."
    raise ProfileError(message)


def _below(browser: Browser, root: Path) -> list[Profile]:
    """The folder itself if it is a profile, else those in it."""
    if not root.is_dir():
        return []
    if _is_profile(browser, root):
        return [Profile(browser, root.name, root)]
    if browser is Browser.FIREFOX:
        named = _in_ini(root) or {each: each.name for each in _children(root)}
    else:
        named = {each: each.name for each in _children(root)}
    return [
        Profile(browser, name, path) for path, name in named.items() if _is_profile(browser, path)
    ]


def _is_profile(browser: Browser, folder: Path) -> bool:
    if browser is not Browser.FIREFOX:
        return (folder / places.CHROMIUM_DATA).is_dir()
    return any((folder / each).exists() for each in _FIREFOX)


def _children(root: Path) -> list[Path]:
    return sorted(each for each in root.iterdir() if each.is_dir())


def _in_ini(root: Path) -> dict[Path, str]:
    """Firefox's own list of its profiles: their folders, and the names that people see."""
    listing = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        listing.read(root / "profiles.ini", encoding="utf-8-sig")
    except (configparser.Error, UnicodeDecodeError):
        return {}
    found: dict[Path, str] = {}
    for section in listing.sections():
        place = listing.get(section, "Path", fallback="")
        if section.startswith("Profile") and place:
            path = (
                root / place
                if listing.get(section, "IsRelative", fallback="1") == "1"
                else Path(place)
            )
            found[path] = listing.get(section, "Name", fallback=path.name)
    return found
