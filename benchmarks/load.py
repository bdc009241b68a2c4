"""Load over HTTP, made by wrk."""

import http.client
import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import BenchError

CONNECTIONS = 16

_SCRIPT = """\
local prepared, turn = {}, 0

function init()
  for i, headers in ipairs(HEADERS) do
    local path = PATHS[(i - 1) % #PATHS + 1]
    prepared[i] = wrk.format(METHOD, path, headers, BODIES[(i - 1) % #BODIES + 1] or nil)
  end
end

function request()
  turn = turn % #prepared + 1
  return prepared[turn]
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '{"requests": %d, "microseconds": %d, "errors": %d, "p50": %d, "p99": %d}\\n',
    summary.requests, summary.duration, e.connect + e.read + e.write + e.timeout + e.status,
    latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True)
class Request:
    """One request, sent in turn with each of the `callers`' headers.

    `paths` and `bodies` take the place of path and body, each caller's in turn.
    """

    port: int
    path: str
    callers: Sequence[Mapping[str, str]]
    method: str = "GET"
    body: str = ""
    status: int = 200
    paths: Sequence[str] = ()
    bodies: Sequence[str] = ()


@dataclass(frozen=True)
class Served:
    """What a load run saw: times in seconds, latencies in milliseconds (None: not measured)."""

    requests: int
    seconds: float
    p50: float | None = None
    p99: float | None = None


def once(request: Request) -> bytes:
    """Send the request once for its first caller and give the answer's body."""
    connection = http.client.HTTPConnection("127.0.0.1", request.port, timeout=30)
    try:
        body = (request.bodies or [request.body])[0].encode() or None
        path = (request.paths or [request.path])[0]
        connection.request(request.method, path, body, dict(request.callers[0]))
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    if answer.status != request.status:
        msg = f"{request.method} {request.path} gave {answer.status}: {content[:2000]!r}"
        raise BenchError(msg)
    return content


def wrk(program: str, request: Request, seconds: float) -> Served:
    """Send the request over 16 connections, as fast as answers come."""
    with tempfile.TemporaryDirectory(prefix="roost-bench-") as directory:
        script = Path(directory, "load.lua")
        script.write_text(_constants(request) + _SCRIPT, encoding="utf-8")
        command = [
            *(program, "--threads", "1", "--connections", str(CONNECTIONS)),
            *("--duration", f"{round(seconds)}s", "--timeout", "30s", "--script", str(script)),
            f"http://127.0.0.1:{request.port}",
        ]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = run.stdout.strip().splitlines()
    if run.returncode != 0 or not lines or not lines[-1].startswith("{"):
        msg = f"wrk failed: {run.stdout}{run.stderr}"
        raise BenchError(msg)
    seen = json.loads(lines[-1])
    if seen["errors"]:
        msg = f"{seen['errors']} of {seen['requests']} requests to {request.path} failed"
        raise BenchError(msg)
    return Served(
        requests=seen["requests"],
        seconds=seen["microseconds"] / 1e6,
        p50=seen["p50"] / 1e3,
        p99=seen["p99"] / 1e3,
    )


def _constants(request: Request) -> str:
    # JSON's strings are Lua's, as long as nothing but ASCII without NUL is in them.
    headers = ", ".join(
        "{" + ", ".join(f"[{_lua(k)}] = {_lua(v)}" for k, v in caller.items()) + "}"
        for caller in request.callers
    )
    paths = ", ".join(_lua(path) for path in request.paths or [request.path])
    # An empty body is none.
    bodies = ", ".join(_lua(body) if body else "false" for body in request.bodies or [request.body])
    return (
        f"local METHOD, PATHS, BODIES = {_lua(request.method)}, {{{paths}}}, {{{bodies}}}\n"
        f"local HEADERS = {{{headers}}}\n"
    )


def _lua(text: str) -> str:
    if not text.isascii():
        msg = f"Only ASCII can be sent by the load script: {text!r}"
        raise BenchError(msg)
    return json.dumps(text)
