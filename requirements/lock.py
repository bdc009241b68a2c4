"""Write the lock files anew: every version pinned, every file's hash given."""

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
UV = "uv==0.13.9"
COMMON = (
    *("pip", "compile", "--quiet", "--universal", "--python-version", "3.11"),
    *("--generate-hashes", "--no-emit-index-url", "--no-annotate", "--no-header", "--no-config"),
)
LOCKS = {
    "runtime.txt": ("--group", "build"),
    "dev.txt": ("--group", "build", "--group", "test", "--group", "lint", "-c", "runtime.txt"),
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
                "../pyproject.toml",
                "-o",
                name,
            ]
            subprocess.run(command, check=True, cwd=HERE)  # noqa: S603 -- our words


if __name__ == "__main__":
    main()
