"""What tests need beside Python packages, installed where that is possible.

Browsers, PgBouncer, Redis and other PostgreSQL versions come from Debian's packages. Where those
can't be installed (another system, no rights), the tests that need them are skipped and say so.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGES = {
    # what is looked for -> the package that has it
    "/usr/sbin/pgbouncer": "pgbouncer",
    "/usr/lib/postgresql/15/bin/postgres": "postgresql-15",
    "/usr/bin/redis-server": "redis-server",
    "/usr/bin/chromium": "chromium",
    "/usr/bin/firefox-esr": "firefox-esr",
}


def main() -> None:
    """Install what is missing, if this is Debian and we may."""
    missing = [name for path, name in PACKAGES.items() if not Path(path).exists()]
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print(f"not installed, their tests will be skipped: {', '.join(missing)}", file=sys.stderr)  # noqa: T201 -- a command's word
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # A server that the package starts by itself would be in nobody's way, but is not wanted.
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
    for command in (["apt-get", "update", "-qq"], install):
        done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            print(f"{' '.join(command)} failed:\n{done.stderr}", file=sys.stderr)  # noqa: T201 -- likewise
            return


if __name__ == "__main__":
    main()
