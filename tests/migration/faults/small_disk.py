"""A disk of a few megabytes, which can be filled up and have room made on."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_PAGE = 4096


@dataclass
class Disk:
    """A small file system. `path` is where it is mounted."""

    path: Path

    @property
    def database(self) -> Path:
        """A directory on it."""
        return self.path / "database"

    @property
    def _ballast(self) -> Path:
        return self.path / "ballast"

    @property
    def free(self) -> int:
        """Bytes that can still be written."""
        known = os.statvfs(self.path)
        return known.f_bavail * known.f_frsize

    def fill(self, leave: int) -> None:
        """Fill it up, but for so many bytes."""
        with self._ballast.open("ab") as file:
            while self.free > leave:
                file.write(bytes(max(min(self.free - leave, 1 << 20) // _PAGE, 1) * _PAGE))
                file.flush()

    def make_room(self) -> None:
        """Have it as empty as it was before it was filled."""
        self._ballast.unlink()


@contextmanager
def small_disk(path: Path, megabytes: int) -> Iterator[Disk]:
    """Mount one; who may not mount skips the test."""
    path.mkdir()
    options = f"size={megabytes}m,mode=755"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("a small file system can't be mounted here; run the tests as root")
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)
