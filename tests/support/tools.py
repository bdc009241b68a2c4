"""What tests need beside Python packages, installed where that is possible.

Browsers, PgBouncer, Redis, nginx, Prometheus and other PostgreSQL versions come from Debian's
packages, what pages and clients import from npm's, by their lock. Where those can't be installed
(another system, no rights, no npm), the tests that need them are skipped and say so.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

PACKAGES = {
    # what is looked for -> the package that has it
    "/usr/sbin/pgbouncer": "pgbouncer",
    "/usr/lib/postgresql/15/bin/postgres": "postgresql-15",
    "/usr/share/postgresql/15/extension/hypopg.control": "postgresql-15-hypopg",
    "/usr/bin/redis-server": "redis-server",
    "/usr/sbin/nginx": "nginx-light",
    "/usr/bin/prometheus": "prometheus",
    "/usr/bin/chromium": "chromium",
    "/usr/bin/firefox-esr": "firefox-esr",
}
TESTS = Path(__file__).parents[1]
#: Real stores, for a real page to fill.
BROWSER_APP = TESTS / "fixtures" / "browser"
NPM_FOLDERS = {
    # what has a lock file -> what is skipped without its packages
    BROWSER_APP: "the tests of real stores",
    TESTS / "sync" / "clients": "the tests of live sync's clients",
}


def main() -> None:
    """Install what is missing."""
    install_debian_packages()
    install_npm_packages()


def install_debian_packages() -> None:
    """Install programs, if this is Debian and we may."""
    missing = [name for path, name in PACKAGES.items() if not Path(path).exists()]
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        _say(f"not installed, their tests will be skipped: {', '.join(missing)}")
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # A server that the package starts by itself would be in nobody's way, but is not wanted.
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
    for command in (["apt-get", "update", "-qq"], install):
        if not _done(command, env=environment):
            return


def install_npm_packages() -> None:
    """Install what the lock files have, with the hashes they have, where it is not there yet."""
    for folder, tests in NPM_FOLDERS.items():
        lock = folder / "package-lock.json"
        installed = folder / "node_modules" / ".package-lock.json"
        if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
            continue
        if shutil.which("npm") is None:
            _say(f"npm is missing: {tests} will be skipped")
            continue
        _done(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder)


def _done(command: list[str], **options: Any) -> bool:
    done = subprocess.run(command, check=False, capture_output=True, text=True, **options)
    if done.returncode != 0:
        _say(f"{' '.join(command)} failed:\n{done.stderr}")
    return done.returncode == 0


def _say(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201 -- a command's word


if __name__ == "__main__":
    main()
