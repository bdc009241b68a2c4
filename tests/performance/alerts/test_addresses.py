"""Where alerts may be sent, and where they may not, however it is written."""

import asyncio
import socket
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.performance.alerts.addresses import (
    Policy,
    RefusedError,
    find,
    is_public,
    place_of_url,
    read_url,
)

PRIVATE = (
    "0.0.0.0",  # noqa: S104 -- nothing is bound to it
    "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254",
    "168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192",
    "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1",
    "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
    "2002:7f00:1::", "2002:a9fe:a9fe::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1", "2001:db8::1", "2001::1", "100::1", "fc00::1", "fd00:ec2::254", "fe80::1",
    "fe80::1%eth0", "fec0::1", "ff02::1",
)  # fmt: skip
PUBLIC = ("1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "::ffff:8.8.8.8")


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_of_the_internet_is_known(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_of_the_internet_is_known_too(address: str) -> None:
    assert is_public(ip_address(address))


@given(st.integers(0, 2**32 - 1))
def test_an_address_is_judged_the_same_whatever_it_is_wrapped_in(number: int) -> None:
    plain = IPv4Address(number)
    for prefix in (0xFFFF << 32, int(IPv6Address("64:ff9b::"))):
        assert is_public(IPv6Address(prefix | number)) == is_public(plain)
    if not is_public(plain):
        assert not is_public(IPv6Address((0x2002 << 112) | (number << 80)))


@given(st.integers(0, 2**128 - 1))
def test_no_address_that_python_calls_private_is_public(number: int) -> None:
    address = IPv6Address(number)
    if address.is_private and address.ipv4_mapped is None:
        assert not is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://127.1/", "http://2130706433/", "http://0x7f000001/",
        "http://0x7f.0.0.1/", "http://0177.0.0.1/", "http://localhost/", "http://LOCALHOST:80/",
        "http://0/", "http://0.0.0.0:5432/", "http://[::]/", "http://[::1]/",
        "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://169.254.169.254/latest",
        "http://[fe80::1]/", "https://10.0.0.1/", "https://192.168.0.1:8443/x",
    ],
)  # fmt: skip
async def test_private_places_are_refused_however_they_are_spelled(url: str) -> None:
    with pytest.raises(RefusedError, match="private network") as refused:
        await place_of_url(url, Policy())
    assert "127.0.0.1" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "//example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://x:70/_",
        "unix:///run/x.sock", "http:///path", "http://user@example.com/",
        "https://user:pass@example.com/", "https://example.com@127.0.0.1/", "https://ex ample.com/",
        "https://example.com\\@127.0.0.1/", "https://example.com/\r\nx: y", "https://example.com:0/",
        "https://example.com:99999/", "https://example.com:x/", "https://example.com/#part",
        "https://exämple.com/", "https://[::1", "https://[::1%25eth0]/", "https://" + "a" * 2_000,
    ],
)  # fmt: skip
def test_what_is_no_address_for_messages_is_refused(url: str) -> None:
    with pytest.raises(RefusedError):
        read_url(url)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    for url in (text, f"https://{text}", f"http://{text}@example.com/"):
        with suppress(RefusedError):
            assert read_url(url).hostname


def names(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[int]:
    """Have look-ups of names answered so, one after the other; gives how many there were."""
    asked: list[int] = []

    async def getaddrinfo(_self: Any, _host: str, port: int, **_options: Any) -> list[Any]:
        found = answers[min(len(asked), len(answers) - 1)]
        asked.append(1)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in found]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    return asked


async def test_a_name_with_one_private_address_is_refused_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for found in (["8.8.8.8", "10.0.0.1"], ["10.0.0.1", "8.8.8.8"], ["8.8.8.8", "::1"]):
        names(monkeypatch, found)
        with pytest.raises(RefusedError, match="private"):
            await place_of_url("https://both.example.com/", Policy())


async def test_a_name_is_looked_up_once_and_its_addresses_go_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = names(monkeypatch, ["8.8.8.8", "1.1.1.1", "8.8.8.8"], ["127.0.0.1"])
    place = await place_of_url("https://example.com/x", Policy())
    assert [str(each) for each in place.addresses] == ["8.8.8.8", "1.1.1.1"]
    assert (place.host, place.port, len(asked)) == ("example.com", 443, 1)


async def test_a_name_without_an_address_is_refused() -> None:
    with pytest.raises(RefusedError, match="no address"):
        await place_of_url("https://nowhere.invalid/", Policy())


async def test_a_network_that_was_named_is_allowed_and_no_other() -> None:
    policy = Policy.of(("10.1.0.0/16", "::1"))
    for url in ("https://10.1.2.3/", "http://[::ffff:10.1.2.3]/", "http://[::1]:8080/"):
        assert len((await place_of_url(url, policy)).addresses) == 1
    for url in ("https://10.2.0.1/", "https://127.0.0.1/"):
        with pytest.raises(RefusedError):
            await place_of_url(url, policy)


async def test_in_production_plain_text_goes_to_named_networks_only() -> None:
    policy = Policy.of(("10.0.0.0/8",), production=True)
    for url in ("http://10.1.2.3/", "https://8.8.8.8/"):
        assert len((await place_of_url(url, policy)).addresses) == 1
    with pytest.raises(RefusedError, match="encrypted"):
        await place_of_url("http://8.8.8.8/", policy)
    with pytest.raises(RefusedError, match="encrypted"):
        await find("8.8.8.8", 25, policy, plain=True)
    assert (await place_of_url("http://8.8.8.8/", Policy())).port == 80
