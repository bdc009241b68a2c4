"""One log line a request, written to the stream in bundles: a logger's way would cost 50 µs."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from time import time_ns

from roost.telemetry.exchange import Exchange

_SECOND = 1_000_000_000
_PAUSE = 0.05
"""Seconds for which lines are gathered; each write to the stream is a system call."""


class Clock:
    """RFC 3339 timestamps in UTC with microseconds; formats each second only once."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def now(self) -> str:
        """Return the time now."""
        second, rest = divmod(time_ns(), _SECOND)
        if second != self._second:
            self._text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._second = second
        return f"{self._text}.{rest // 1000:06d}Z"


class AccessLog:
    """Writes the line; every field is a number, an id of ours or a name from the code."""

    def __init__(self, write: Callable[[str], object], *, as_json: bool) -> None:
        """Write lines with `write`, as JSON objects or for people to read."""
        self._write = write
        self._text = self._as_json if as_json else self._as_text
        self._clock = Clock()
        self._fixed: dict[tuple[str, str, int], str] = {}
        self._lines: list[str] = []
        self._timer: asyncio.TimerHandle | None = None

    def line(self, exchange: Exchange, method: str, route: str, seconds: float) -> None:
        """Take the line of a request that took `seconds`; it is written within `_PAUSE`."""
        self._lines.append(self._text(exchange, method, route, round(seconds * 1000, 3)))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_PAUSE, self.flush)

    def flush(self) -> None:
        """Write what was gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lines, self._lines = self._lines, []
        if lines:
            # A closed or full stderr is no reason to fail a request.
            with suppress(OSError, ValueError):
                self._write("".join(lines))

    def _as_text(self, exchange: Exchange, method: str, route: str, ms: float) -> str:
        return f"{self._clock.now()} {method} {route} {exchange.status or '---'} {ms:.1f} ms\n"

    def _as_json(self, exchange: Exchange, method: str, route: str, ms: float) -> str:
        kind = method, route, exchange.status
        fixed = self._fixed.get(kind)
        if fixed is None:
            described = {"method": method, "route": route, "status": exchange.status or None}
            fixed = self._fixed[kind] = json.dumps(described)[1:-1]
        who = ""
        if exchange.user_id is not None:
            who = f'"user_id": "{exchange.user_id}", '
            if exchange.workspace_id is not None:
                who = f'{who}"workspace_id": "{exchange.workspace_id}", '
        return (
            f'{{"timestamp": "{self._clock.now()}", "level": "info", "event": "request", '
            f'"logger": "roost.access", "request_id": "{exchange.request_id}", '
            f'"trace_id": "{exchange.trace_id}", "span_id": "{exchange.span_id}", '
            f'{who}{fixed}, "ms": {ms}}}\n'
        )
