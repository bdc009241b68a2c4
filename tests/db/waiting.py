"""Waiting for something to come about, with a deadline."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


async def until(condition: Callable[[], Awaitable[Any]], seconds: float = 30.0) -> Any:
    """Ask again and again until the answer is true, and give it; TimeoutError at the deadline."""
    async with asyncio.timeout(seconds):
        while True:
            if found := await condition():
                return found
            await asyncio.sleep(0.01)
