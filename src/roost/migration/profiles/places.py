"""Where browsers keep their profiles, by browser and system."""

import os
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final


class Browser(StrEnum):
    """A browser whose profiles can be read."""

    CHROME = "chrome"
    CHROMIUM = "chromium"
    EDGE = "edge"
    BRAVE = "brave"
    FIREFOX = "firefox"


#: Where a profile of the Chrome family keeps localStorage.
CHROMIUM_DATA: Final = Path("Local Storage", "leveldb")
#: Firefox: a folder for each origin; what no page has asked for since; what that was made of.
FIREFOX_ORIGINS: Final = Path("storage", "default")
FIREFOX_ARCHIVE: Final = Path("storage", "ls-archive.sqlite")
FIREFOX_LEGACY: Final = Path("webappsstore.sqlite")

#: Below the configuration folder, on Linux; packages of other kinds have theirs apart.
_LINUX: Final = {
    Browser.CHROME: ("google-chrome", "google-chrome-beta", "google-chrome-unstable"),
    Browser.CHROMIUM: ("chromium",),
    Browser.EDGE: ("microsoft-edge", "microsoft-edge-beta", "microsoft-edge-dev"),
    Browser.BRAVE: (
        "BraveSoftware/Brave-Browser",
        "BraveSoftware/Brave-Browser-Beta",
        "BraveSoftware/Brave-Browser-Nightly",
    ),
    Browser.FIREFOX: ("mozilla/firefox",),
}
#: Below the home folder, on Linux: Snap's, Flatpak's, and what lies in no configuration folder.
_LINUX_HOME: Final = {
    Browser.CHROME: (".var/app/com.google.Chrome/config/google-chrome",),
    Browser.CHROMIUM: (
        "snap/chromium/common/chromium",
        "snap/chromium/current/.config/chromium",
        ".var/app/org.chromium.Chromium/config/chromium",
        ".var/app/io.github.ungoogled_software.ungoogled_chromium/config/chromium",
    ),
    Browser.EDGE: (".var/app/com.microsoft.Edge/config/microsoft-edge",),
    Browser.BRAVE: (
        "snap/brave/current/.config/BraveSoftware/Brave-Browser",
        ".var/app/com.brave.Browser/config/BraveSoftware/Brave-Browser",
    ),
    Browser.FIREFOX: (
        ".mozilla/firefox",
        "snap/firefox/common/.mozilla/firefox",
        ".var/app/org.mozilla.firefox/.mozilla/firefox",
        ".var/app/org.mozilla.firefox/config/mozilla/firefox",
    ),
}
#: Below `~/Library/Application Support`.
_MAC: Final = {
    Browser.CHROME: ("Google/Chrome", "Google/Chrome Beta", "Google/Chrome Canary"),
    Browser.CHROMIUM: ("Chromium",),
    Browser.EDGE: ("Microsoft Edge", "Microsoft Edge Beta", "Microsoft Edge Dev"),
    Browser.BRAVE: (
        "BraveSoftware/Brave-Browser",
        "BraveSoftware/Brave-Browser-Beta",
        "BraveSoftware/Brave-Browser-Nightly",
    ),
    Browser.FIREFOX: ("Firefox",),
}
#: Below the local application data.
_WINDOWS: Final = {
    Browser.CHROME: (
        "Google/Chrome/User Data",
        "Google/Chrome Beta/User Data",
        "Google/Chrome SxS/User Data",
    ),
    Browser.CHROMIUM: ("Chromium/User Data",),
    Browser.EDGE: (
        "Microsoft/Edge/User Data",
        "Microsoft/Edge Beta/User Data",
        "Microsoft/Edge Dev/User Data",
    ),
    Browser.BRAVE: (
        "BraveSoftware/Brave-Browser/User Data",
        "BraveSoftware/Brave-Browser-Beta/User Data",
        "BraveSoftware/Brave-Browser-Nightly/User Data",
    ),
    Browser.FIREFOX: ("Packages/Mozilla.Firefox_n80bbvh6b1yt2/LocalCache/Roaming/Mozilla/Firefox",),
}


def roots(
    browser: Browser,
    *,
    system: str = sys.platform,
    home: Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> list[Path]:
    """Every folder in which `browser` may keep its profiles; those that exist and those not."""
    at_home = home or Path.home()
    if system == "win32":
        local = environment.get("LOCALAPPDATA") or at_home / "AppData" / "Local"
        places = [Path(local, name) for name in _WINDOWS[browser]]
        if browser is Browser.FIREFOX:
            roaming = environment.get("APPDATA") or at_home / "AppData" / "Roaming"
            places.insert(0, Path(roaming, "Mozilla", "Firefox"))
        return places
    if system == "darwin":
        support = at_home / "Library" / "Application Support"
        return [support / name for name in _MAC[browser]]
    configuration = Path(environment.get("XDG_CONFIG_HOME") or at_home / ".config")
    return [
        *(configuration / name for name in _LINUX[browser]),
        *(at_home / name for name in _LINUX_HOME[browser]),
    ]
