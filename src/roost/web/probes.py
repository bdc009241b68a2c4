"""Is it alive, is it ready, and what do its metrics say."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from roost.web.endpoint import Call, Contract, Endpoint
from roost.web.reply import Reply

LEAST_DISK = 200 * 1024 * 1024
"""Bytes that must be free for Roost to call itself ready."""
PATIENCE = 3.0
"""Seconds a check may take."""


class Check(msgspec.Struct):
    """One thing that was looked at."""

    name: str
    status: Literal["ok", "failed"]
    detail: str = ""


class Health(msgspec.Struct):
    """The answer of the probes."""

    status: Literal["ok", "failed"]
    checks: list[Check] = []


@dataclass(frozen=True, slots=True)
class Probes:
    """The probe endpoints. `checks` are run for readiness; each raises when it fails."""

    checks: dict[str, Callable[[], Awaitable[str]]]
    metrics: Callable[[str], tuple[bytes, str]]

    def endpoints(self) -> list[Endpoint]:
        """Give the endpoints."""
        return [
            Endpoint("GET", "/healthz", self.alive, Contract(
                "Is the process alive", None, returns=Health, bare=True, tag="service")),
            Endpoint("GET", "/readyz", self.ready, Contract(
                "Can it serve: database, schema, disk", None, returns=Health, bare=True,
                tag="service")),
            Endpoint("GET", "/metrics", self.scrape, Contract(
                "Metrics for Prometheus", None, media_type="text/plain", tag="service")),
        ]  # fmt: skip

    async def alive(self, _call: Call) -> Reply:
        """Answer 200 as long as the event loop turns."""
        return Reply(msgspec.json.encode(Health("ok")))

    async def ready(self, _call: Call) -> Reply:
        """Answer 503 when something that is needed is away, and say what."""
        checks = [await self._check(name, check) for name, check in self.checks.items()]
        good = all(check.status == "ok" for check in checks)
        body = msgspec.json.encode(Health("ok" if good else "failed", checks))
        return Reply(body, 200 if good else 503)

    async def scrape(self, call: Call) -> Reply:
        """Answer the metrics as text."""
        # It takes a file's lock, which another worker may hold for a moment.
        body, media_type = await asyncio.to_thread(self.metrics, call.header("accept") or "")
        return Reply(body, media_type=media_type.encode())

    async def _check(self, name: str, check: Callable[[], Awaitable[str]]) -> Check:
        try:
            return Check(name, "ok", await asyncio.wait_for(check(), PATIENCE))
        except TimeoutError:
            return Check(name, "failed", f"no answer within {PATIENCE:g} s")
        except Exception as error:  # noqa: BLE001 -- whatever it is, the answer is "not ready"
            return Check(name, "failed", f"{type(error).__name__}: {error}"[:300])


async def disk_check(directory: Path) -> str:
    """Raise OSError when the disk is nearly full."""
    free = shutil.disk_usage(directory).free
    if free < LEAST_DISK:
        message = f"{free // 2**20} MiB free in {directory}"
        raise OSError(message)
    return f"{free // 2**20} MiB free"
