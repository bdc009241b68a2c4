"""Real browsers with profiles of their own, on pages that are served on loopback."""

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

from playwright.sync_api import sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
FIREFOX = Path("/usr/bin/firefox-esr")
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # The last of its kind counts; Playwright's would switch partitions off.
    "--disable-features=HttpsUpgrades,MediaRouter,OptimizationHints",
]
_FIREFOX_SETTINGS = {
    "marionette.port": 0,
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "",
    # Partitions: an embedded site's storage is one for each site that embeds it.
    "network.cookie.cookieBehavior": 5,
}
_DEADLINE = 60.0
"""Seconds a browser may take to start, to answer, or to end."""


class Tab(Protocol):
    """A page in a browser."""

    def visit(self, address: str) -> None:
        """Load a page."""

    def run(self, script: str) -> Any:
        """Run the body of a function in the page; gives what it returns."""


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Answer with an empty page; `/frame?ADDRESS` embeds another, `/keep` stores a key."""
        path, _, embedded = self.path.partition("?")
        content = {
            "/frame": f'<iframe src="{embedded}"></iframe>',
            "/keep": "<script>localStorage.setItem('kept', String(self !== top))</script>",
        }.get(path, "")
        body = f"<!doctype html><title>page</title>{content}".encode()
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def pages() -> Iterator[int]:
    """The port of a server with pages, on all of loopback's names."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Pages) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


class _ChromiumTab:
    def __init__(self, page: Any) -> None:
        self.page = page

    def visit(self, address: str) -> None:
        self.page.goto(address, wait_until="load")

    def run(self, script: str) -> Any:
        # As JSON, whose escapes bring lone surrogates across.
        return json.loads(
            self.page.evaluate(f"() => JSON.stringify((() => {{{script}}})() ?? null)")
        )


@contextmanager
def chromium(folder: Path) -> Iterator[Tab]:
    """Chromium with its user data in `folder`."""
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            folder, executable_path=CHROMIUM, headless=True, args=_FLAGS
        )
        try:
            yield _ChromiumTab(context.new_page())
        finally:
            context.close()


class _FirefoxTab:
    """Firefox's own remote control: `length:[0, number, command, parameters]`."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.number = 0
        self.stream = connection.makefile("rb")
        self._read()
        self.call("WebDriver:NewSession", capabilities={})

    def visit(self, address: str) -> None:
        self.call("WebDriver:Navigate", url=address)

    def run(self, script: str) -> Any:
        wrapped = f"return JSON.stringify((() => {{{script}}})() ?? null)"
        answer = self.call("WebDriver:ExecuteScript", script=wrapped, args=[])
        return json.loads(answer["value"])

    def call(self, command: str, **parameters: Any) -> Any:
        self.number += 1
        message = json.dumps([0, self.number, command, parameters]).encode()
        self.connection.sendall(b"%d:%s" % (len(message), message))
        _, _, error, answer = self._read()
        assert error is None, error
        return answer

    def _read(self) -> Any:
        length = b""
        while not length.endswith(b":"):
            octet = self.stream.read(1)
            assert octet, "Firefox has gone"
            length += octet
        return json.loads(self.stream.read(int(length[:-1])))


@contextmanager
def firefox(folder: Path) -> Iterator[Tab]:
    """Firefox with its profile in `folder`."""
    folder.mkdir(exist_ok=True)
    lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in _FIREFOX_SETTINGS.items()]
    (folder / "user.js").write_text("\n".join(lines), encoding="utf-8")
    port_file = folder / "MarionetteActivePort"
    port_file.unlink(missing_ok=True)
    process = subprocess.Popen(
        [FIREFOX, "--headless", "--marionette", "--no-remote", "--profile", folder],
        env=os.environ | {"HOME": str(folder.parent), "MOZ_CRASHREPORTER_DISABLE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        port = _port(port_file)
        with socket.create_connection(("127.0.0.1", port), timeout=_DEADLINE) as connection:
            tab = _FirefoxTab(connection)
            try:
                yield tab
            finally:
                tab.call("Marionette:Quit", flags=["eForceQuit"])
                process.wait(_DEADLINE)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _port(file: Path) -> int:
    deadline = time.monotonic() + _DEADLINE
    while time.monotonic() < deadline:
        if file.exists() and (text := file.read_text(encoding="ascii").strip()):
            return int(text)
        time.sleep(0.05)
    message = "Firefox did not start"
    raise TimeoutError(message)
