"""A real nginx in front of a server, which keeps answers and asks once for many."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.server import wait_until

NGINX = Path("/usr/sbin/nginx")
_CONFIG = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    proxy_cache_path {folder}/kept keys_zone=shapes:10m;
    proxy_temp_path {folder}/proxy;
    client_body_temp_path {folder}/body;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    log_format asked "$request_uri $upstream_cache_status $upstream_status";
    server {{
        listen unix:{folder}/socket;
        access_log {folder}/access.log asked;
        location = /readers {{ access_log off; stub_status; }}
        location / {{
            proxy_pass {url};
            proxy_http_version 1.1;
            proxy_cache shapes;
            proxy_cache_key $request_uri;
            proxy_cache_revalidate on;
            proxy_cache_lock on;
            proxy_cache_lock_timeout 60s;
            proxy_cache_lock_age 60s;
            proxy_cache_use_stale error timeout updating;
            add_header X-Proxy-Cache $upstream_cache_status always;
        }}
    }}
}}
"""


class Cache:
    """The running nginx, reached by its socket."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def client(self, **options: Any) -> httpx.AsyncClient:
        """Give a client that asks through it; to be closed."""
        transport = httpx.AsyncHTTPTransport(uds=str(self._folder / "socket"), **options)
        return httpx.AsyncClient(transport=transport, base_url="http://cache.test", timeout=60)

    def let_through(self, part: str) -> list[str]:
        """The statuses of the server's answers to requests with `part` in their address."""
        lines = [line.split() for line in (self._folder / "access.log").read_text().splitlines()]
        return [status for address, _, status in lines if part in address and status != "-"]


@contextmanager
def caching(url: str) -> Iterator[Cache]:
    """Start it; skips the test where there is no nginx."""
    if not NGINX.exists():
        pytest.skip("needs Debian's nginx-light")
    # Not in pytest's directories: the path of a socket must be short.
    with tempfile.TemporaryDirectory(prefix="roost-nginx-") as name:
        folder = Path(name)
        config = folder / "nginx.conf"
        user = "user root;\n" if os.geteuid() == 0 else ""
        config.write_text(user + _CONFIG.format(folder=folder, url=url), encoding="utf-8")
        process = subprocess.Popen(
            [NGINX, "-p", folder, "-e", folder / "error.log", "-c", config],
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until((folder / "socket").exists, "nginx listens")
            yield Cache(folder)
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
