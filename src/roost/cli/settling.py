"""Settling: what a worker loaded to start is looked at no more by the garbage collector.

A full collection goes through every object there is and holds everybody up meanwhile. Of the some
300,000 of a worker that has started none ever becomes garbage; `gc.freeze` takes them out of it.
"""

import gc
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Send], Awaitable[None]]

_THRESHOLDS = (2_000, 10, 10)
"""Rarer than Python's own: most of a request's objects end by themselves, without a collection."""


class Settling:
    """An ASGI application that settles as soon as it has started."""

    def __init__(self, app: App) -> None:
        """Wrap `app`."""
        self._app = app

    def __call__(self, scope: Any, receive: Any, send: Send) -> Awaitable[None]:  # noqa: ANN401 -- ASGI
        """Serve a connection, or open and close with the server."""
        if scope["type"] != "lifespan":
            return self._app(scope, receive, send)

        async def passed_on(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                settle()
            await send(message)

        return self._app(scope, receive, passed_on)


def settle() -> None:
    """Take everything there is now out of the collector's work, and let it work less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
