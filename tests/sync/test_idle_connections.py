"""Connections that clients keep open between two requests."""

import asyncio
from urllib.parse import urlsplit

import pytest

from tests.support.server import Server

CLIENTS_KEEP = 4.0
"""Seconds for which Node keeps an idle connection; longer while it does not come to look."""
REQUEST = b"GET / HTTP/1.1\r\nhost: roost\r\n\r\n"


async def test_an_idle_connection_outlives_what_clients_keep(server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(server.url).port)
    writer.write(REQUEST)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 1.5 * CLIENTS_KEEP)
    writer.write(REQUEST)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    writer.close()
