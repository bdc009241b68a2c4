"""Server-sent events: an answer that goes on until its source ends or its reader leaves."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from roost.telemetry import expect_waiting
from roost.web.reply import Reply

EVENT_STREAM = b"text/event-stream; charset=utf-8"
KEEP_ALIVE = b": \n\n"
"""A comment: proxies close what is silent for long."""


def event(name: str, data: str, identifier: str) -> bytes:
    """Write an event; `data` has no line breaks."""
    return f"event: {name}\nid: {identifier}\ndata: {data}\n\n".encode()


class EventStream(Reply):
    """Events as they are made. The source is closed as soon as the reader has gone."""

    __slots__ = ("events",)

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        super().__init__(
            headers=[
                (b"content-type", EVENT_STREAM),
                (b"cache-control", b"no-store"),
                # nginx would keep events back until its buffer is full.
                (b"x-accel-buffering", b"no"),
            ]
        )
        self.events = events

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 -- ASGI
        """Send them."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        if scope["method"] != "HEAD":
            await sent_until_gone(self.events, receive, send)
        else:
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def sent_until_gone(
    events: AsyncGenerator[bytes, None],
    receive: Any,  # noqa: ANN401 -- ASGI
    send: Any,  # noqa: ANN401 -- ASGI
    refused: "asyncio.Future[None] | None" = None,
) -> None:
    """Send what comes until there is no more, or until the reader has gone; ends the answer.

    `refused` is done when the reader may not have it any more.
    """
    expect_waiting()
    sending = asyncio.create_task(_send(events, send))
    leaving = asyncio.create_task(_gone(receive))
    ends = [sending, leaving] if refused is None else [sending, leaving, refused]
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, leaving):
            task.cancel()
        await asyncio.wait([sending, leaving])
    if not sending.cancelled() and sending.exception() is not None:
        # The head is out: to cut it off is all that tells the reader.
        sending.result()
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send(events: AsyncGenerator[bytes, None], send: Any) -> None:  # noqa: ANN401 -- ASGI
    async with aclosing(events) as parts:
        async for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})


async def _gone(receive: Any) -> None:  # noqa: ANN401 -- ASGI
    while (await receive())["type"] != "http.disconnect":
        pass
