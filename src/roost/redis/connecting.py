"""How a worker comes to the Redis that it shares with others."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from roost.settings import SettingsError

if TYPE_CHECKING:
    from roost.redis.client import SharedRedis

Clock = Callable[[], float]


class RedisAwayError(Exception):
    """It can't be had; the message says why."""


def connect(
    url: str | None, *, clock: Clock = time.monotonic, time_limit: float = 0.2
) -> "SharedRedis | None":
    """Give what asks the Redis at a URL, if there is one; nothing is asked yet.

    `time_limit` in seconds holds for each question. SettingsError when the URL can't be used.
    """
    if url is None:
        return None
    try:
        # Here, for the package is optional.
        from roost.redis.client import SharedRedis  # noqa: PLC0415 -- the library is an extra
    except ImportError as error:
        message = "ROOST_REDIS_URL needs one package more: pip install 'roost[redis]'"
        raise SettingsError(message) from error
    return SharedRedis(url, clock, time_limit)
