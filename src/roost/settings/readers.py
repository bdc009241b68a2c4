"""From the text of an environment variable to its value; each says what is wrong with it."""

import ipaddress
import re
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID


class SettingsError(ValueError):
    """A setting has a value that cannot be used; the message says which and what to do."""


_MOST_DAYS = 36_500
_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d+)?/?", re.IGNORECASE)


def address(name: str, value: str) -> str | None:
    """Read the address of a server, without a path."""
    # Not quoted: somebody may have put a password into it.
    if value and not _ORIGIN.fullmatch(value):
        message = (
            f"{name} must be https:// or http:// and a host, perhaps with a port, as "
            "https://roost.example.com: no path, name, password, query or fragment"
        )
        raise SettingsError(message)
    _ = urlsplit(value).port
    return value.removesuffix("/") or None


def path(_name: str, value: str) -> Path | None:
    """Read a place in the file system."""
    return Path(value).expanduser() if value else None


def count(name: str, value: str) -> int:
    """Read a whole number from 1 up."""
    if not re.fullmatch(r"\d{1,6}", value) or int(value) < 1:
        message = f"{name} must be a whole number from 1 up, not {value!r}"
        raise SettingsError(message)
    return int(value)


def cost(name: str, value: str) -> int:
    """Read what something may cost, in the planner's units."""
    if not re.fullmatch(r"\d{1,15}", value):
        message = f"{name} must be a whole number, not {value!r}"
        raise SettingsError(message)
    return int(value)


def days(name: str, value: str) -> int:
    """Read a number of days."""
    if not re.fullmatch(r"\d{1,5}", value) or int(value) > _MOST_DAYS:
        message = f"{name} must be a whole number of days from 0 to {_MOST_DAYS}, not {value!r}"
        raise SettingsError(message)
    return int(value)


def seconds(name: str, value: str) -> float:
    """Read a time in seconds."""
    if not re.fullmatch(r"\d{1,6}(\.\d+)?", value):
        message = f"{name} must be a number of seconds, not {value!r}"
        raise SettingsError(message)
    return float(value)


def mode(name: str, value: str) -> str:
    """Read which rules hold."""
    if value not in {"development", "production"}:
        message = f"{name} must be development or production, not {value!r}"
        raise SettingsError(message)
    return value


def postgres_url(name: str, value: str) -> str | None:
    """Read how PostgreSQL is reached."""
    if value and urlsplit(value).scheme not in {"postgresql", "postgres"}:
        message = f"{name} must start with postgresql://"
        raise SettingsError(message)
    return value or None


def redis_url(name: str, value: str) -> str | None:
    """Read how Redis is reached."""
    url = urlsplit(value)
    if value and url.scheme not in {"redis", "rediss", "unix"}:
        message = f"{name} must start with redis://, rediss:// or unix://"
        raise SettingsError(message)
    if url.scheme == "unix" and (url.hostname or not url.path):
        message = f"{name} must give the socket's whole path: unix:///run/redis.sock"
        raise SettingsError(message)
    try:
        _ = url.port
    except ValueError:
        # Not in the parser's words: they would quote a password that has a slash in it.
        message = f"{name} can't be read: a port must be a number, and a password's / a %2F"
        raise SettingsError(message) from None
    return value or None


def networks(name: str, value: str) -> tuple[str, ...]:
    """Read addresses and networks, never all of them."""
    networks = [ipaddress.ip_network(part.strip()) for part in value.split(",") if part.strip()]
    if any(network.prefixlen == 0 for network in networks):
        message = f"{name} would take in everybody: give addresses and networks of your own"
        raise SettingsError(message)
    return tuple(str(network) for network in networks)


def uuids(name: str, value: str) -> tuple[UUID, ...]:
    """Read ids."""
    try:
        return tuple(UUID(part.strip()) for part in value.split(",") if part.strip())
    except ValueError:
        message = f"{name} must be ids (UUIDs), separated by commas"
        raise SettingsError(message) from None


def keys(_name: str, value: str) -> tuple[str, ...]:
    """Read keys."""
    return tuple(key.strip() for key in value.split(",") if key.strip())


def megabytes(name: str, value: str) -> int:
    """Read a size in MiB; gives bytes."""
    return count(name, value) * 1024 * 1024


def megabytes_or_none(name: str, value: str) -> int:
    """Read a size in MiB, which may be none; gives bytes."""
    return 0 if re.fullmatch("0+", value) else megabytes(name, value)


def text(_name: str, value: str) -> str | None:
    """Read what has no form; nothing is None."""
    return value or None


def sign_up(name: str, value: str) -> bool:
    """Read whether strangers may come in."""
    if value not in {"open", "closed"}:
        message = f"{name} must be open or closed, not {value!r}"
        raise SettingsError(message)
    return value == "open"


def targets(name: str, value: str) -> tuple[str, ...]:
    """Read whole addresses."""
    return tuple(provider_url(name, part.strip()) for part in value.split(",") if part.strip())


def origins(name: str, value: str) -> tuple[str, ...]:
    """Read origins."""
    parts = [part.strip() for part in value.split(",") if part.strip()]
    if parts == ["*"]:
        return ("*",)
    return tuple(str(address(name, part)) for part in parts)


def provider_url(name: str, value: str) -> str:
    """Check an address that browsers or Roost are sent to: https, or http on this machine."""
    parts = urlsplit(value)
    _ = parts.port
    local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    secure = parts.scheme == "https" or (parts.scheme == "http" and local)
    if not secure or not parts.hostname or "@" in parts.netloc or parts.fragment:
        message = (
            f"{name} must be an https:// address without a name, password or fragment in it "
            "(http:// is for this machine only)"
        )
        raise SettingsError(message)
    if not re.fullmatch(r"[!-~]+", value) or "\\" in value:
        message = f"{name} has characters that no address has"
        raise SettingsError(message)
    return value
