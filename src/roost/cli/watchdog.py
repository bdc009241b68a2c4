"""The watchdog: what keeps the embedded server up for as long as Roost serves.

A crash of PostgreSQL is mended by its keeper. When the keeper itself was killed, nobody is left
to do that but those who use the server.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from roost.cli.context import say
from roost.db.embedded import EmbeddedError
from roost.db.target import Target

INTERVAL = 1.0
"""Seconds between looks."""


@contextmanager
def watched(target: Target) -> Iterator[None]:
    """Start the embedded server again whenever it is gone, until the block ends."""
    if not target.embedded:
        yield
        return
    over = threading.Event()
    thread = threading.Thread(target=_watch, args=(target, over), name="watchdog", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _watch(target: Target, over: threading.Event) -> None:
    said = ""
    while not over.wait(INTERVAL):
        try:
            target.revive()
            said = ""
        except (EmbeddedError, OSError) as error:
            if str(error) != said:
                said = str(error)
                say(f"roost: PostgreSQL could not be started again: {said}")
