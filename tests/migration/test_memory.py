"""What the reading and parsing of a large dump takes, in a process of its own."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.migration.bench import store, task

PEAK = Path("/proc/self/status")
TASKS = 15_000
SCRIPT = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID
from roost.migration.dump import Unpacker, open_envelope, pack
from roost.migration.parse import parse_keys
from roost.migration.scanning import own_ids
from roost.migration.sources import read_dump
from roost.db.sealing import SecretBox

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

now = datetime(2026, 1, 1, tzinfo=UTC)
box = SecretBox(["a fake key for these tests"])
before = peak()
raw = Path(sys.argv[1]).read_bytes()
size = len(raw)
open_envelope(raw, None)
packed = pack(raw, box)
del raw
received = peak()
unpacker = Unpacker(size, box)
unpacker.feed(packed.content)
dump = read_dump(unpacker.finish(), now=now)
found = sum(1 for _ in own_ids(dump.keys))
items = sum(1 for _, made in parse_keys(dump.keys, UUID(int=1), now) for _ in made)
print(size, received - before, peak() - before, found, items)
"""


@pytest.mark.skipif(not PEAK.exists(), reason="needs Linux's account of a process's memory")
@pytest.mark.parametrize("title", ["plain text", "an emoji \N{GRINNING FACE} and more"])
@pytest.mark.parametrize("spaced", [True, False])
def test_a_large_dump_takes_less_than_twice_its_size(
    tmp_path: Path, title: str, *, spaced: bool
) -> None:
    tasks = [task(number, title=title, description=f"{title} " * 80) for number in range(TASKS)]
    separators = (", ", ": ") if spaced else (",", ":")
    file = tmp_path / "dump.json"
    keys = {"keys": {"task-store": store(*tasks)}}
    file.write_text(json.dumps(keys, separators=separators, ensure_ascii=False), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(file)], check=True, capture_output=True, text=True
    )
    size, received, whole, found, items = map(int, re.findall(r"\d+", done.stdout))
    assert size > 15_000_000, size
    assert (found, items) == (TASKS, TASKS)
    assert received < 1.6 * size
    assert whole < 1.9 * size
