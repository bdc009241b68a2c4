"""HTTP to providers: bounded in time and size, never redirected, TLS verified.

The libraries take a fifth of a second to import: they are, when somebody first logs in. Proxies and
passwords are not taken from the environment: what Roost sends here are secrets, and a variable that
was set for something else must not lead them elsewhere.
"""

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from types import ModuleType
from typing import Any

from roost import __version__, errors
from roost.errors import ProblemError
from roost.identity.providers.model import nonsense

CONNECT_SECONDS = 3.0
WHOLE_SECONDS = 10.0
MOST_BYTES = 64 * 1024
_OK = 200
_CLIENT_ERRORS = 400
_SERVER_ERRORS = 500
_TOO_MANY = 429


@cache
def library() -> tuple[ModuleType, Any]:
    """Give the HTTP library, the one that Authlib itself uses, and Authlib's client class."""
    import authlib.deprecate  # type: ignore[import-untyped]  # noqa: F401, PLC0415 -- see above; before the filter, which it would undo

    with warnings.catch_warnings():
        # Authlib would rather have the library's successor; the class is the same with either.
        warnings.filterwarnings("ignore", message="The httpx module is deprecated")
        from authlib.integrations.httpx_client import (  # type: ignore[import-untyped]  # noqa: PLC0415 -- see above
            AsyncOAuth2Client,
            _compat,
        )
    return _compat.httpx2, AsyncOAuth2Client


@cache
def _tls() -> ssl.SSLContext:
    context: ssl.SSLContext = library()[0].create_ssl_context(trust_env=False)
    return context


@cache
def _capped() -> type:
    httpx, _ = library()

    class Stream(httpx.AsyncByteStream):  # type: ignore[misc, name-defined]  # the module is a value
        """An answer's body that fails when it grows too long."""

        def __init__(self, inner: Any) -> None:  # noqa: ANN401 -- the library's
            self._inner = inner

        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = 0
            async for part in self._inner:
                size += len(part)
                if size > MOST_BYTES:
                    raise AnswerTooLargeError
                yield part

        async def aclose(self) -> None:
            """Close the inner one."""
            await self._inner.aclose()

    class Transport(httpx.AsyncHTTPTransport):  # type: ignore[misc, name-defined]  # likewise
        """The library's transport; its answers have a largest size, and are not compressed."""

        async def handle_async_request(self, request: Any) -> Any:  # noqa: ANN401 -- the library's
            """Send a request."""
            request.headers["accept-encoding"] = "identity"
            answer = await super().handle_async_request(request)
            if answer.headers.get("content-encoding", "identity") != "identity":
                await answer.aclose()
                raise AnswerTooLargeError
            answer.stream = Stream(answer.stream)
            return answer

    return Transport


class AnswerTooLargeError(Exception):
    """The answer is larger than any that makes sense, or compressed though that was not asked."""


def client_options() -> dict[str, Any]:
    """Give what every client of the library is made with."""
    httpx, _ = library()
    return {
        "transport": _capped()(verify=_tls(), trust_env=False, retries=0),
        "timeout": httpx.Timeout(WHOLE_SECONDS, connect=CONNECT_SECONDS),
        "follow_redirects": False,
        "trust_env": False,
        "headers": {"user-agent": f"roost/{__version__}", "accept": "application/json"},
    }


@asynccontextmanager
async def conversation(provider: str) -> AsyncIterator[None]:
    """Bound what is said with a provider to the whole time, and name what goes wrong."""
    httpx, _ = library()
    try:
        async with asyncio.timeout(WHOLE_SECONDS):
            yield
    except (TimeoutError, httpx.TimeoutException) as error:
        raise ProblemError(errors.PROVIDER_TIMEOUT, f"{provider} did not answer in time") from error
    except AnswerTooLargeError as error:
        raise nonsense(provider, "its answer is too large") from error
    except (httpx.TransportError, OSError) as error:
        raise away(provider) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise nonsense(provider, "its answer can't be read") from error


def away(provider: str) -> ProblemError:
    """Say that a provider is down."""
    return ProblemError(
        errors.PROVIDER_UNAVAILABLE, f"{provider} can't be reached", headers={"retry-after": "10"}
    )


def require_json(provider: str, answer: Any) -> None:  # noqa: ANN401 -- the library's response
    """See that an answer is one, and JSON; whether it is good news is not looked at."""
    if answer.status_code >= _SERVER_ERRORS or answer.status_code == _TOO_MANY:
        raise away(provider)
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if answer.status_code != _OK and answer.status_code < _CLIENT_ERRORS:
        raise nonsense(provider, f"it answered with the status {answer.status_code}")
    if kind != "application/json" and not (
        kind.startswith("application/") and kind.endswith("+json")
    ):
        raise nonsense(provider, "its answer is not JSON")


async def get_json(provider: str, url: str) -> Any:  # noqa: ANN401 -- whatever JSON holds
    """Read a public document."""
    httpx, _ = library()
    async with conversation(provider), httpx.AsyncClient(**client_options()) as client:
        return read_json(provider, await client.get(url))


def read_json(provider: str, answer: Any) -> Any:  # noqa: ANN401 -- the library's response, JSON
    """Read the body of a successful answer."""
    require_json(provider, answer)
    if answer.status_code != _OK:
        raise nonsense(provider, f"it answered with the status {answer.status_code}")
    try:
        return answer.json()
    except (ValueError, RecursionError) as error:
        raise nonsense(provider, "its answer is not JSON") from error
