"""An app's pages on an origin of their own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Site(ThreadingHTTPServer):
    """Serves `pages` by their path."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Pages)
        self.pages: dict[str, str] = {"/": "<!doctype html><title>app</title>"}

    @property
    def port(self) -> int:
        """Where it listens, on loopback."""
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """Its origin."""
        return f"http://localhost:{self.port}"

    def page(self, body: str, script: str = "") -> str:
        """Give the address of a page with this body, after a script that is run before it."""
        path = f"/page-{len(self.pages)}"
        self.pages[path] = (
            f'<!doctype html><html lang="en"><title>app</title><script>{script}</script>{body}'
        )
        return self.url + path


class _Pages(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        """Answer a page."""
        path = self.path.partition("?")[0]
        if path in self.server.pages:
            self._answer(self.server.pages[path].encode(), "text/html; charset=utf-8")
            return
        self.send_error(404)

    def _answer(self, body: bytes, media_type: str) -> None:
        self.send_response(200)
        self.send_header("content-type", media_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def serving_site() -> Iterator[Site]:
    """A site, until the end of the block."""
    with Site() as site:
        thread = threading.Thread(target=site.serve_forever, daemon=True)
        thread.start()
        try:
            yield site
        finally:
            site.shutdown()
            thread.join()
