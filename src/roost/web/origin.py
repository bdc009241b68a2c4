"""Origins of web pages (RFC 6454): a scheme, a host, and a port unless it is the scheme's own."""

import ipaddress
import re
from urllib.parse import urlsplit

_PORTS = {"http": ":80", "https": ":443"}
_PAGE = re.compile(r"https?://(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(?::[0-9]{1,5})?")


def origin_of(address: str) -> str:
    """Give the origin of an address; its path and the case of its host do not count."""
    parts = urlsplit(address)
    return written_alike(f"{parts.scheme}://{parts.netloc}")


def written_alike(origin: str) -> str:
    """Write an origin as browsers do: in lower case, without the scheme's own port."""
    lowered = origin.strip().lower()
    return lowered.removesuffix(_PORTS.get(lowered.partition("://")[0], ""))


def page_host(origin: str) -> str | None:
    """Give the host of a web page's origin; None where that is `null`, or no origin of a page."""
    found = _PAGE.fullmatch(written_alike(origin))
    return found[1].strip("[]") if found else None


def is_loopback(host: str) -> bool:
    """Whether it is this machine's own name or address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
