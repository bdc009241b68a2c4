"""The whole application in this process, asked without a socket."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import msgspec

from roost.app import Application, running
from roost.db.roles import DOCTOR_ROLE
from roost.settings import Settings
from tests.support.schema import as_role, pool_config

HOST = "roost.test"
ORIGIN = f"http://{HOST}"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    @property
    def code(self) -> str:
        """The problem's code, or the empty text."""
        if not self.body.startswith(b"{"):
            return ""
        return str(msgspec.json.decode(self.body).get("code", ""))

    @property
    def text(self) -> str:
        """All that it tells: body and headers."""
        heads = b"\n".join(name + b": " + value for name, value in self.headers)
        return (heads + b"\n" + self.body).decode("utf-8", "replace")


@dataclass
class Served:
    """An application, and its description of itself."""

    app: Any
    document: dict[str, Any] = field(default_factory=dict)
    asked: int = 0

    async def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: object = None,
    ) -> Answer:
        """Send one request, from an address of its own so that no limit stands in its way."""
        self.asked += 1
        plain, _, query = path.partition("?")
        raw = b"" if body is None else msgspec.json.encode(body)
        given = {"host": HOST, **(headers or {})}
        if raw:
            given |= {"content-type": "application/json", "content-length": str(len(raw))}
        address = ".".join(str(part) for part in (10, *self.asked.to_bytes(3)))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": plain,
            "raw_path": quote(plain).encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
            "client": (address, 1),
            "server": (HOST, 80),
            "state": {},
        }
        sent: list[Any] = []
        received = False

        async def receive() -> dict[str, Any]:
            nonlocal received
            if received:
                return {"type": "http.disconnect"}
            received = True
            return {"type": "http.request", "body": raw, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        content = b"".join(part.get("body", b"") for part in sent[1:])
        return Answer(sent[0]["status"], list(sent[0]["headers"]), content)


@asynccontextmanager
async def serving_in_process(superuser_url: str) -> AsyncIterator[Served]:
    """Open the application as `roost serve` puts it together."""
    with TemporaryDirectory() as directory:
        settings = Settings.from_environment({})
        config = pool_config(superuser_url)
        doctor = replace(config, url=as_role(superuser_url, DOCTOR_ROLE), max_connections=2)
        application = Application(settings, config, Path(directory), doctor=doctor, environment={})
        async with running(application) as app:
            served = Served(app)
            answer = await served.ask("GET", "/openapi.json")
            assert answer.status == 200
            served.document = msgspec.json.decode(answer.body)
            yield served
