"""Sending by HTTP: to the address that was judged, bounded in time and size, never redirected."""

import asyncio
import re
import ssl
from functools import cache
from types import ModuleType
from typing import Any, Final
from urllib.parse import urlunsplit

from roost import __version__
from roost.performance.alerts.addresses import Address, Place, Policy, place_of_url, read_url
from roost.performance.alerts.failing import SendError

SECONDS: Final = 10.0
CONNECT_SECONDS: Final = 5.0
MOST_BYTES: Final = 64 * 1024
_WAIT: Final = re.compile(r"[0-9]{1,6}")
_WELL: Final = range(200, 300)


@cache
def _library() -> ModuleType:
    import httpx  # noqa: PLC0415 -- it takes a fifth of a second, when something is sent first

    return httpx


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


async def post(url: str, body: bytes, headers: dict[str, str], policy: Policy) -> str:
    """Send a body; gives what the receiver answered. SendError when it did not take it.

    RefusedError when nothing may be sent there.
    """
    place = await place_of_url(url, policy)
    try:
        async with asyncio.timeout(SECONDS):
            return await _to_any(url, place, body, headers)
    except TimeoutError as error:
        raise SendError(why=f"no answer within {SECONDS:g} s") from error


async def _to_any(url: str, place: Place, body: bytes, headers: dict[str, str]) -> str:
    """Send to the first of the addresses that can be connected to."""
    httpx = _library()
    for address in place.addresses:
        try:
            return await _to(url, address, body, headers)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            failure = error
    raise SendError(why=_said(failure)) from failure


async def _to(url: str, address: Address, body: bytes, headers: dict[str, str]) -> str:
    httpx = _library()
    given = read_url(url)
    host = f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004 -- IPv6
    port = f":{given.port}" if given.port else ""
    pinned = urlunsplit((given.scheme, host + port, given.path or "/", given.query, ""))
    client = httpx.AsyncClient(
        transport=httpx.AsyncHTTPTransport(verify=_tls(), trust_env=False, retries=0),
        timeout=httpx.Timeout(SECONDS, connect=CONNECT_SECONDS),
        follow_redirects=False,
        trust_env=False,
    )
    sent = {
        "host": given.netloc,
        "user-agent": f"roost/{__version__}",
        "content-type": "application/json",
        "accept-encoding": "identity",
        **headers,
    }
    # The certificate must be the name's, though the connection goes to a number.
    extensions = {"sni_hostname": given.hostname}
    try:
        async with (
            client,
            client.stream(
                "POST", pinned, content=body, headers=sent, extensions=extensions
            ) as answer,
        ):
            await _drain(answer)
            return _judged(answer)
    except (httpx.ConnectError, httpx.ConnectTimeout):
        raise
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise SendError(why=_said(error)) from error


async def _drain(answer: Any) -> None:  # noqa: ANN401 -- the library's
    """Read the answer's body and forget it: it may be long, and nothing of it is shown."""
    size = 0
    async for part in answer.aiter_raw():
        size += len(part)
        if size > MOST_BYTES:
            return


def _judged(answer: Any) -> str:  # noqa: ANN401 -- the library's
    status = int(answer.status_code)
    if status in _WELL:
        return f"answered {status}"
    asked = answer.headers.get("retry-after", "")
    wait = float(asked) if _WAIT.fullmatch(asked) else 0.0
    raise SendError(why=f"answered {status}", wait_seconds=wait)


def _said(error: BaseException) -> str:
    """Say what went wrong in words of our own: a library's might quote the address."""
    httpx = _library()
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, ssl.SSLCertVerificationError):
            return f"its certificate is not valid: {inner.verify_message}"
        if isinstance(inner, ssl.SSLError):
            return "TLS could not be agreed on"
        inner = inner.__cause__ or inner.__context__
    if isinstance(error, httpx.ConnectTimeout | httpx.ConnectError):
        return "it can't be connected to"
    if isinstance(error, httpx.TimeoutException):
        return "it did not answer in time"
    return "the connection ended early, or what came back was no HTTP"
