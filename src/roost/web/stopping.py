"""What a request is answered that the end of the server cuts off."""

import asyncio
from typing import Any

from roost import errors
from roost.errors import ProblemError
from roost.web import problems
from roost.web.endpoint import request_id

_RETRY_AFTER = "5"


def with_last_words(app: Any) -> Any:  # noqa: ANN401 -- ASGI applications
    """Answer SERVER_STOPPING where a request is cancelled that has no answer yet.

    The server cancels what outlasts its shutdown, and would say that it is broken.
    """

    async def guarded(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 -- ASGI
        is_answered = False

        async def noted(message: Any) -> None:  # noqa: ANN401 -- ASGI
            nonlocal is_answered
            is_answered = True
            await send(message)

        try:
            await app(scope, receive, noted)
        except asyncio.CancelledError:
            if scope["type"] != "http" or is_answered:
                raise
            problem = ProblemError(errors.SERVER_STOPPING, headers={"retry-after": _RETRY_AFTER})
            await problems.reply(problem, request_id(scope))(scope, receive, send)

    return guarded
