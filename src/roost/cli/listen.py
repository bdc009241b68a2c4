"""Listening: the socket, the workers, and the word that they are ready."""

import ipaddress
import json
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from roost.cli.context import CommandError
from roost.cli.worker import HANDOVER
from roost.web.origin import is_loopback
from roost.web.protocol import Protocol as HttpProtocol

WORKER_START_SECONDS = 60
"""How long a worker may take to load itself before it is held for hung."""
_BACKLOG = 2048
_KEEP_ALIVE_SECONDS = 130
"""How long an idle connection is kept: longer than clients and proxies keep theirs (Node 4, nginx
and load balancers 60, Go 90, Caddy 120), or one would be closed just as a request is sent on it."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen, with how many processes, and behind which proxies (networks)."""

    host: str
    port: int
    workers: int
    proxies: tuple[str, ...] = ()

    @property
    def trusted(self) -> list[str]:
        """The networks whose word on the client's address and scheme is believed."""
        networks = [ipaddress.ip_network(proxy) for proxy in self.proxies]
        # A socket that listens on IPv6 and IPv4 gives IPv4 peers such addresses.
        mapped = [
            f"::ffff:{network.network_address}/{96 + network.prefixlen}"
            for network in networks
            if network.version == 4  # noqa: PLR2004 -- the protocol's own number
        ]
        return [*self.proxies, *mapped]

    @property
    def is_loopback(self) -> bool:
        """Whether nobody else's machine can reach it."""
        return is_loopback(self.host)

    def bind(self) -> socket.socket:
        """Take the port; CommandError when somebody has it."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((self.host, self.port))
            sock.listen(_BACKLOG)
        except OSError as error:
            sock.close()
            message = (
                f"can't listen on {self.host} port {self.port} ({error.strerror}): "
                "choose another with --port"
            )
            raise CommandError(message) from error
        return sock

    def url(self, sock: socket.socket) -> str:
        """Give the address that a browser on this machine can open."""
        host, port = sock.getsockname()[:2]
        if host in {"0.0.0.0", "::"}:  # noqa: S104 -- it is compared, not bound
            host = "127.0.0.1"
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """A server that says when it is ready."""

    def __init__(self, config: uvicorn.Config, tell: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell = tell

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        await super().startup(sockets)
        if self.started:
            self._tell()


class _Supervisor(Multiprocess):
    """Keeps the workers alive, and says when all of them are ready."""

    def __init__(
        self, config: uvicorn.Config, sockets: list[socket.socket], tell: Callable[[], None]
    ) -> None:
        super().__init__(config, sockets)
        self._tell: Callable[[], None] | None = tell

    def init_processes(self) -> None:
        """Start the workers."""
        super().init_processes()
        self._let_go()

    def _let_go(self) -> None:
        """Close the workers' ends of their pipes, which they have themselves by now.

        Held here too, a pipe would not end with its worker: who is killed while it is asked how it
        is would be waited for as long as one that is slow to start, and not be replaced meanwhile.
        """
        for process in self.processes:
            process.child_conn.close()

    def keep_subprocess_alive(self) -> None:
        """Replace the workers that have died."""
        super().keep_subprocess_alive()
        self._let_go()
        # Here, for only one thread may ask the workers how they are.
        if self._tell is not None and all(process.is_ready() for process in self.processes):
            self._tell()
            self._tell = None


class Handover(Protocol):
    """What a worker is told, and `factory`: what makes its application, as `module:name`."""

    factory: ClassVar[str]

    def as_json(self) -> dict[str, Any]:
        """Write it for the worker's environment."""


def run_server(
    handover: Handover, listen: Listen, sock: socket.socket, shutdown_seconds: float, greeting: str
) -> None:
    """Serve until a signal; CommandError when the server could not start."""

    def tell() -> None:
        print(greeting, flush=True)  # noqa: T201 -- the command's answer

    os.environ[HANDOVER] = json.dumps(handover.as_json())
    config = uvicorn.Config(
        handover.factory,
        factory=True,
        interface="asgi3",
        workers=listen.workers,
        loop="uvloop",
        http=HttpProtocol,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(shutdown_seconds),
        proxy_headers=bool(listen.proxies),
        forwarded_allow_ips=listen.trusted,
        backlog=_BACKLOG,
        timeout_worker_healthcheck=WORKER_START_SECONDS,
    )
    if listen.workers == 1:
        server = _Server(config, tell)
        for number in (signal.SIGINT, signal.SIGTERM):
            # Uvicorn raises it once more when it has shut down; the database is still to be closed.
            signal.signal(number, lambda _number, _frame: None)
        server.run([sock])
        if not server.started:
            message = "the server did not start; the log above says why"
            raise CommandError(message)
        return
    supervisor = _Supervisor(config, [sock], tell)
    supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        message = "a worker could not start; the log above says why"
        raise CommandError(message)
