"""Write the lock files anew: every version pinned, every file's hash given."""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
UV = "uv==0.13.9"
COMMON = (
    *("pip", "compile", "--quiet", "--universal", "--python-version", "3.11"),
    *("--generate-hashes", "--no-emit-index-url", "--no-annotate", "--no-header", "--no-config"),
)
# A clone has the extras too, so that a setting is all that it takes to use them.
ALWAYS = ("--all-extras", "--group", "build")
LOCKS = {
    "runtime.txt": ALWAYS,
    "dev.txt": (*ALWAYS, "--group", "test", "--group", "lint", "-c", "requirements/runtime.txt"),
}


def main() -> None:
    """Install the resolver into a directory of its own, and run it for each lock."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([sys.executable, "-m", "venv", directory], check=True)  # noqa: S603 -- our words
        python = Path(directory) / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", UV], check=True)  # noqa: S603 -- our words
        for name, groups in LOCKS.items():
            command = [
                str(python.with_name("uv")),
                *COMMON,
                *groups,
                "pyproject.toml",
                "-o",
                f"requirements/{name}",
            ]
            subprocess.run(command, check=True, cwd=ROOT)  # noqa: S603 -- our words


if __name__ == "__main__":
    main()
