"""How to connect: the database URL and what goes with it."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from roost.db.faults import DatabaseError

LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class DatabaseConfig:
    """Where PostgreSQL is and how it is used; times in seconds.

    `role` is the role each connection takes on at its start, or None when the URL's own role is
    the pool's. `pgbouncer` is set by `?pgbouncer=true` in the URL.
    """

    url: str
    max_connections: int = 20
    statement_timeout: float = 30.0
    role: str | None = None
    require_tls: bool = False
    pgbouncer: bool = False


def read_url(url: str) -> tuple[str, bool]:
    """Take `pgbouncer=true` out of the URL; gives the rest, and whether it was there."""
    parts = urlsplit(url)
    query = parse_qs(parts.query, keep_blank_values=True)
    pgbouncer = query.pop("pgbouncer", ["false"])[-1].lower() in {"true", "1"}
    rest = urlunsplit(parts._replace(query=urlencode(query, doseq=True, safe="/")))
    return rest, pgbouncer


def is_local(url: str) -> bool:
    """Whether the connection never leaves this machine (a socket, or loopback)."""
    parts = urlsplit(url)
    host = parse_qs(parts.query).get("host", [parts.hostname or ""])[0]
    return host.startswith("/") or host in LOOPBACK or not host


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
        mode = parse_qs(urlsplit(config.url).query).get("sslmode", [""])[0]
        if mode in {"disable", "allow", "prefer"}:
            message = (
                f"ROOST_ENV=production needs TLS to the database, but DATABASE_URL says "
                f"sslmode={mode}: use sslmode=verify-full (or require)"
            )
            raise DatabaseError(message)
        if not mode:
            arguments["ssl"] = ssl.create_default_context()
    return arguments


def server_settings(config: DatabaseConfig) -> Mapping[str, str]:
    """Give the start-up parameters; none behind PgBouncer, which would refuse them."""
    if config.pgbouncer:
        return {}
    settings = {
        "application_name": "roost",
        "timezone": "UTC",
        "statement_timeout": str(int(config.statement_timeout * 1000)),
        "idle_in_transaction_session_timeout": "60000",
        "jit": "off",
    }
    if config.role:
        settings["role"] = config.role
    return settings
