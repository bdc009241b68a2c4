"""Inputs that coverage leads to: what can be read is accounted for, what can't is refused."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures import garbage

pytest.importorskip("atheris")
TARGETS = ("value", "file", "body")


def seeds(target: str) -> list[bytes]:
    """What to begin with: garbage that was seen in browsers."""
    found = []
    for number, (key, raw) in enumerate(garbage.keys().items()):
        if target == "value":
            found.append(bytes([number]) + raw.encode("utf-8", "surrogatepass"))
        else:
            found.append(json.dumps({"keys": {key: raw}, "origin": "http://a.test"}).encode())
    return found


def fuzz(place: Path, target: str, *options: str) -> None:
    corpus = place / target
    corpus.mkdir()
    for number, content in enumerate(seeds(target)):
        (corpus / str(number)).write_bytes(content)
    line = [sys.executable, "-m", "tests.migration.fuzzing", target, *options, "-max_len=4000"]
    done = subprocess.run(
        [*line, f"-artifact_prefix={place}/", corpus],
        capture_output=True,
        text=True,
        check=False,
        errors="replace",
    )
    inputs = [path.read_bytes() for path in place.iterdir() if path.is_file()]
    assert done.returncode == 0, f"{inputs}\n{(done.stdout + done.stderr)[-4000:]}"
    assert "DONE" in done.stderr


@pytest.mark.parametrize("target", TARGETS)
def test_a_thousand_inputs_are_accounted_for_or_refused(tmp_path: Path, target: str) -> None:
    fuzz(tmp_path, target, "-runs=1000")


@pytest.mark.long
@pytest.mark.parametrize("target", TARGETS)
def test_ten_minutes_of_inputs_are_accounted_for_or_refused(tmp_path: Path, target: str) -> None:
    fuzz(tmp_path, target, "-max_total_time=600")
