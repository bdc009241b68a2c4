"""Where alerts may be sent: to the internet, and to networks that the operator has named.

Whoever may set up a channel must not reach with it what only this machine reaches: the database,
a neighbour's admin page, the cloud's metadata. A name is looked up once, every address that it has
is judged, and the connection goes to one that was judged: a name that changes its mind in between
wins nothing.
"""

import asyncio
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final
from urllib.parse import SplitResult, urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
LONGEST: Final = 2_000
MOST_ADDRESSES: Final = 4
LOOK_UP_SECONDS: Final = 5.0
_PORTS: Final = {"http": 80, "https": 443}
_TEXT: Final = re.compile(r"[!-~]+")
_HOST: Final = re.compile(r"[a-z0-9._-]{1,253}|[0-9a-f:.]{2,45}", re.IGNORECASE)
_NAT64: Final = ip_network("64:ff9b::/96")
# Public by their numbers, to some Pythons or all, and answered by what is near all the same: the
# clouds' metadata, and relays.
_NEAR: Final = tuple(
    ip_network(each)
    for each in ("168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48")
)


class RefusedError(Exception):
    """Nothing is sent there; `why` says nothing of what a name stands for."""

    def __init__(self, *, why: str) -> None:
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator allows. In production, plain text goes to named networks only."""

    networks: tuple[Network, ...] = ()
    production: bool = False

    @classmethod
    def of(cls, networks: Iterable[str], *, production: bool = False) -> "Policy":
        """Read networks and addresses; ValueError when one is neither."""
        return cls(tuple(ip_network(each) for each in networks), production)

    def names(self, address: Address) -> bool:
        """Whether an address is in a network that was named."""
        plain = _plain(address)
        return any(plain in network for network in self.networks)


@dataclass(frozen=True, slots=True)
class Place:
    """A host and its addresses, each of which may be connected to."""

    host: str
    port: int
    addresses: tuple[Address, ...]


def is_public(address: Address) -> bool:
    """Whether an address is one of the internet at large, whatever it is wrapped in."""
    if isinstance(address, IPv6Address):
        if address.scope_id is not None or address.is_site_local:
            return False
        inside = _inside(address)
        if not all(is_public(inner) for inner in inside):
            return False
        if address.ipv4_mapped is not None or address in _NAT64:
            return True  # all that there is to it was looked at
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address in network for network in _NEAR)
    )


def _inside(address: IPv6Address) -> list[IPv4Address]:
    """Give the IPv4 addresses that a gateway would make of it."""
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [each for each in found if each is not None]


def _plain(address: Address) -> Address:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def read_url(text: str) -> SplitResult:
    """Take an address apart; RefusedError when it is none that messages are sent to."""
    if len(text) > LONGEST or not _TEXT.fullmatch(text) or "\\" in text:
        raise RefusedError(why="it is too long, or has characters that no address has")
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError as error:
        raise RefusedError(why="it is no address, or its port is no number") from error
    if url.scheme not in _PORTS:
        raise RefusedError(why="it must begin with https:// or http://")
    if "@" in url.netloc:
        raise RefusedError(why="it must not have a name or a password in it")
    if url.fragment or port == 0:
        raise RefusedError(why="it must have no fragment, and no port 0")
    if not url.hostname or not _HOST.fullmatch(url.hostname):
        raise RefusedError(why="it has no host, or one in other letters than those of ASCII")
    return url


async def place_of_url(text: str, policy: Policy) -> Place:
    """Look up an address and judge it; RefusedError when nothing may be sent there."""
    url = read_url(text)
    port = url.port or _PORTS[url.scheme]
    return await find(url.hostname or "", port, policy, plain=url.scheme == "http")


async def find(host: str, port: int, policy: Policy, *, plain: bool) -> Place:
    """Look up a host and judge every address it has; RefusedError when one is not allowed.

    `plain` says that what is sent would not be encrypted.
    """
    addresses = await look_up(host, port)
    if not addresses:
        raise RefusedError(why="its host has no address")
    named = [policy.names(each) for each in addresses]
    if not all(
        is_named or is_public(each) for is_named, each in zip(named, addresses, strict=True)
    ):
        raise RefusedError(
            why="its host is on a private network or this machine: name that network in "
            "ROOST_ALERT_NETWORKS if it is meant"
        )
    if plain and policy.production and not all(named):
        raise RefusedError(why="in production it must be encrypted: https://, or TLS for e-mail")
    return Place(host, port, tuple(addresses[:MOST_ADDRESSES]))


async def look_up(host: str, port: int) -> list[Address]:
    """Give all addresses of a host; none when it has none, or nobody says so in time."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(LOOK_UP_SECONDS):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # TimeoutError is an OSError
        return []
    return list(dict.fromkeys(ip_address(each[4][0]) for each in found))
