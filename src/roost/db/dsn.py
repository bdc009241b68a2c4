"""How to connect: the database URL and what goes with it."""

import math
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit, urlunsplit

from roost.db.faults import DatabaseError

LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class DatabaseConfig:
    """Where PostgreSQL is and how it is used; times in seconds.

    `role` is the role each connection takes on at its start, or None when the URL's own role is
    the pool's. `pgbouncer` is set by `?pgbouncer=true` in the URL: it stands in front of the
    database, in transaction mode.
    """

    url: str
    max_connections: int = 20
    statement_timeout: float = 30.0
    role: str | None = None
    require_tls: bool = False
    pgbouncer: bool = False
    patience: float = 10.0
    """How long a request waits for a connection before it is told that the database is away."""


def read_url(url: str) -> tuple[str, bool]:
    """Take `pgbouncer=true` out of the URL; gives the rest, and whether it was there."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        message = f"the database URL can't be read ({error}): postgresql://user@host:5432/name"
        raise DatabaseError(message) from error
    query = parse_qs(parts.query, keep_blank_values=True)
    pgbouncer = query.pop("pgbouncer", ["false"])[-1].lower() in {"true", "1"}
    rest = urlunsplit(parts._replace(query=urlencode(query, doseq=True, safe="/")))
    return rest, pgbouncer


def is_local(url: str) -> bool:
    """Whether the connection never leaves this machine (a socket, or loopback)."""
    return all(host.startswith("/") or host in LOOPBACK for host in _hosts(url))


def _hosts(url: str) -> list[str]:
    """Give the hosts that asyncpg would try; none means its local defaults."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    places = unquote(parts.netloc.rpartition("@")[2])
    # One that is named elsewhere might be anywhere.
    elsewhere = "a service" if "service" in query or "PGSERVICE" in os.environ else ""
    places = places or query.get("host", [""])[-1] or elsewhere or os.environ.get("PGHOST", "")
    return [_host(place) for place in places.split(",") if place]


def _host(place: str) -> str:
    """Take the port off."""
    if place.startswith("["):
        return place[1:].partition("]")[0]
    return place if place.startswith("/") or place in LOOPBACK else place.partition(":")[0]


def connection_arguments(config: DatabaseConfig) -> dict[str, Any]:
    """Give the arguments of `asyncpg.connect`; DatabaseError when production lacks TLS."""
    arguments: dict[str, Any] = {
        "dsn": config.url,
        "server_settings": server_settings(config),
        "timeout": 10.0,
        "command_timeout": config.statement_timeout + 5.0 if config.statement_timeout else None,
        "max_cached_statement_lifetime": 0,
        "statement_cache_size": 0 if config.pgbouncer else 512,
    }
    if config.require_tls and not is_local(config.url):
        query = parse_qs(urlsplit(config.url).query)
        mode = query.get("sslmode", [""])[-1]
        if mode in {"disable", "allow", "prefer"}:
            message = (
                f"ROOST_ENV=production needs TLS to the database, but its URL says "
                f"sslmode={mode}: use sslmode=verify-full (or require)"
            )
            raise DatabaseError(message)
        if not mode:
            own_authority = "sslrootcert" in query or "PGSSLROOTCERT" in os.environ
            arguments["ssl"] = "verify-full" if own_authority else ssl.create_default_context()
    return arguments


def server_settings(config: DatabaseConfig) -> Mapping[str, str]:
    """Give the start-up parameters; none behind PgBouncer, which would refuse them."""
    if config.pgbouncer:
        return {}
    settings = {
        "application_name": "roost",
        "timezone": "UTC",
        "statement_timeout": str(math.ceil(config.statement_timeout * 1000)),
        "idle_in_transaction_session_timeout": "60000",
        "jit": "off",
        # A statement has one shape; planning it for its values costs more than running it.
        "plan_cache_mode": "force_generic_plan",
    }
    if config.role:
        settings["role"] = config.role
    return settings
