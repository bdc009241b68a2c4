"""A tiny application under telemetry, with routes of every temper."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from time import perf_counter_ns

import httpx
import structlog
from litestar import Litestar, Request, get, post
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from roost.telemetry import AccessLog, Telemetry, current_exchange, expect_waiting, note_error

SLOW_SECONDS = 0.05


class ServerError(Exception):
    """An error as the database driver raises it: with a state, and with data in its message."""

    sqlstate = "23505"


class Service:
    """The application and a client that calls it without a socket."""

    def __init__(self, env: Mapping[str, str], access: AccessLog | None = None) -> None:
        """Build both; telemetry is configured by `env`."""
        self.telemetry = Telemetry.from_environment(env, service_version="9.9.9", access=access)
        self.app = self.telemetry.middleware(
            Litestar(  # type: ignore[arg-type]  # its scope is a TypedDict, ours the plain mapping
                [self._item(), self._create(), self._fail(), self._slow(), self._poll()],
                openapi_config=None,
                logging_config=None,
            )
        )

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        """Give a client; exceptions that reach it are answered as a server would."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://roost.test") as client:
            yield client

    def run(self, name: str, error: BaseException | None = None) -> None:
        """Tell the observer that a statement ran."""
        started = perf_counter_ns()
        self.telemetry.observer.statement(name, started, started + 2_000_000, error)

    def _item(self) -> HTTPRouteHandler:
        @get("/api/v1/tasks/{task_id:str}")
        async def item(
            task_id: FromPath[str], request: Request[object, object, State]
        ) -> dict[str, str]:
            self.run("select tasks.page")
            structlog.get_logger("roost.test").info("read", task=len(task_id))
            exchange = current_exchange()
            assert exchange is not None
            assert request.state["request_id"] == exchange.request_id
            return {"requestId": exchange.request_id, "traceparent": exchange.traceparent()}

        return item

    def _create(self) -> HTTPRouteHandler:
        @post("/api/v1/tasks")
        async def create(data: JSONBody[dict[str, str]]) -> dict[str, str]:
            self.run("insert tasks.create")
            return data

        return create

    def _fail(self) -> HTTPRouteHandler:
        @get("/api/v1/fail")
        async def fail() -> None:
            error = ServerError("duplicate\nDETAIL: Key (email)=(someone@example.org) exists.")
            with suppress(ServerError):
                raise error
            self.run("insert users.create", error)
            note_error(error)
            raise HTTPException(status_code=503, detail="no")

        return fail

    def _slow(self) -> HTTPRouteHandler:
        @get("/api/v1/slow")
        async def slow() -> str:
            await asyncio.sleep(SLOW_SECONDS * 1.5)
            return "at last"

        return slow

    def _poll(self) -> HTTPRouteHandler:
        @get("/api/v1/poll")
        async def poll() -> str:
            expect_waiting()
            await asyncio.sleep(SLOW_SECONDS * 1.5)
            return "changed"

        return poll
