"""Messages of JSON-RPC 2.0, as far as the description of the route needs them."""

from typing import Any, Literal

import msgspec
from msgspec import Raw


class Message(msgspec.Struct, omit_defaults=True):
    """A request of the Model Context Protocol; without `id`, a notification."""

    jsonrpc: Literal["2.0"]
    method: str
    id: int | str | None = None
    params: dict[str, Raw] | None = None


class Answer(msgspec.Struct, omit_defaults=True):
    """The answer to a request: a `result`, or an `error` with `code` and `message`."""

    jsonrpc: Literal["2.0"]
    id: int | str | None
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
