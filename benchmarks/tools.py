"""What the benchmarks need beside Roost, set up on first use in a cache outside the tree."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.processes import BenchError

PEERS = Path(__file__).parent / "peers"
_NODE_MAJOR = 20
_NODE_SOURCES = (".npmrc", "package.json", "package-lock.json", "tsconfig.base.json")
_WORKSPACES = ("tasks", "hono", "nextjs")
_GENERATED = shutil.ignore_patterns("node_modules", "dist", ".next", "*.tsbuildinfo")


def cache_dir() -> Path:
    """Give the cache outside the tree: `roost-bench` in XDG_CACHE_HOME, else in ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    directory = Path(base) / "roost-bench"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def wrk() -> str:
    """Find the load generator; installed from the system's packages when root may do that."""
    if found := shutil.which("wrk"):
        return found
    if os.geteuid() == 0 and shutil.which("apt-get"):
        _say("installing wrk")
        _run(["apt-get", "update", "--quiet"])
        _run(["apt-get", "install", "--yes", "--quiet", "wrk"])
    if found := shutil.which("wrk"):
        return found
    msg = "The load generator wrk is missing. Install it, for example: sudo apt-get install wrk"
    raise BenchError(msg)


def node_peers() -> Path:
    """Give the directory of the Node peers, installed by their lock file and built."""
    _check_node()
    directory = cache_dir() / f"peers-{_digest([PEERS / name for name in _node_parts()])}"
    if (directory / ".built").exists():
        return directory
    _say(f"building the Node peers in {directory}")
    shutil.rmtree(directory, ignore_errors=True)
    for name in _NODE_SOURCES:
        directory.mkdir(exist_ok=True)
        shutil.copy(PEERS / name, directory / name)
    for name in _WORKSPACES:
        shutil.copytree(PEERS / name, directory / name, ignore=_GENERATED)
    _run(["npm", "ci"], cwd=directory)
    _run(["npm", "run", "build"], cwd=directory)
    (directory / ".built").touch()
    return directory


def pocketbase() -> Path:
    """Give PocketBase's program, hash-checked, in a virtual environment of its own."""
    requirements = PEERS / "pocketbase" / "requirements.txt"
    directory = cache_dir() / f"pocketbase-{_digest([requirements])}"
    program = directory / "bin" / "pocketbase"
    if not program.exists():
        _say(f"installing PocketBase in {directory}")
        _run([sys.executable, "-m", "venv", str(directory)])
        _run(
            [
                *(str(directory / "bin" / "python"), "-m", "pip", "install", "--quiet"),
                *("--require-hashes", "--only-binary", ":all:", "--requirement", str(requirements)),
            ]
        )
    return program


def _check_node() -> None:
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        msg = "Node.js is missing. Install Node.js 20.9 or later with npm; the peers run on it."
        raise BenchError(msg)
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.removeprefix("v").split(".")[0]) < _NODE_MAJOR:
        msg = f"The peers need Node.js 20.9 or later, and this is {version.strip()}."
        raise BenchError(msg)


def _node_parts() -> tuple[str, ...]:
    return (*_NODE_SOURCES, *_WORKSPACES)


def _digest(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in files:
            digest.update(f"{file.relative_to(PEERS)}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _run(command: Sequence[str], cwd: Path | None = None) -> None:
    env = {**os.environ, "NEXT_TELEMETRY_DISABLED": "1", "DEBIAN_FRONTEND": "noninteractive"}
    began = time.monotonic()
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        msg = f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        raise BenchError(msg)
    _say(f"{' '.join(command[:3])}: {time.monotonic() - began:.0f} s")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
