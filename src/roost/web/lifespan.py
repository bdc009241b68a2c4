"""The lifespan of an application that is opened and closed with its server (the ASGI lifespan)."""

from typing import Any, Protocol


class Lasting(Protocol):
    """What has to be opened before it serves."""

    async def open(self) -> None:
        """Get ready to serve; what it raises keeps the server from starting."""

    async def close(self) -> None:
        """Let go of everything."""


async def last(application: Lasting, receive: Any, send: Any) -> None:  # noqa: ANN401 -- ASGI
    """Open the application when the server starts, and close it when the server ends."""
    await receive()
    try:
        await application.open()
    except Exception as error:
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        raise
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await application.close()
    await send({"type": "lifespan.shutdown.complete"})
