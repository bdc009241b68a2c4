"""An app's pages on an origin of their own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from roost.migration.assets import FOLDER

_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
}


class Site(ThreadingHTTPServer):
    """Serves `pages` by their path, and the files of `folders` by the begin of their path.

    `/modules/` are Roost's modules for browsers, each by itself.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Pages)
        self.pages: dict[str, str] = {"/": "<!doctype html><title>app</title>"}
        self.folders: dict[str, Path] = {"/modules/": FOLDER}

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
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>app</title>'
            f'<link rel="icon" href="data:,"><script>{script}</script>{body}'
        )
        return self.url + path

    def file(self, path: str) -> Path | None:
        """The file of a folder that is asked for."""
        for begin, folder in self.folders.items():
            file = (folder / path.removeprefix(begin)).resolve()
            if path.startswith(begin) and file.is_relative_to(folder) and file.is_file():
                return file
        return None


class _Pages(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        """Answer a page, or a file."""
        path = self.path.partition("?")[0]
        if path in self.server.pages:
            self._answer(self.server.pages[path].encode(), "text/html")
        elif file := self.server.file(path):
            self._answer(file.read_bytes(), _TYPES.get(file.suffix, "application/octet-stream"))
        else:
            self.send_error(404)

    def _answer(self, body: bytes, media_type: str) -> None:
        self.send_response(200)
        charset = "; charset=utf-8" if media_type.startswith("text/") else ""
        self.send_header("content-type", media_type + charset)
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
