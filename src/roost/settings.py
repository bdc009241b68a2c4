"""Settings: read once from the environment, checked, and passed in from the top."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit


class SettingsError(ValueError):
    """A setting has a value that cannot be used; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable: its name, default (as text) and help, for docs and doctor."""

    name: str
    default: str
    help: str
    read: Callable[[str, str], object]


def _address(name: str, value: str) -> str | None:
    if value and urlsplit(value).scheme not in {"http", "https"}:
        message = f"{name} must start with https:// or http://"
        raise SettingsError(message)
    return value.rstrip("/") or None


def _path(_name: str, value: str) -> Path | None:
    return Path(value).expanduser() if value else None


def _count(name: str, value: str) -> int:
    if not re.fullmatch(r"\d{1,6}", value) or int(value) < 1:
        message = f"{name} must be a whole number from 1 up, not {value!r}"
        raise SettingsError(message)
    return int(value)


def _seconds(name: str, value: str) -> float:
    if not re.fullmatch(r"\d{1,6}(\.\d+)?", value):
        message = f"{name} must be a number of seconds, not {value!r}"
        raise SettingsError(message)
    return float(value)


def _mode(name: str, value: str) -> str:
    if value not in {"development", "production"}:
        message = f"{name} must be development or production, not {value!r}"
        raise SettingsError(message)
    return value


def _postgres_url(name: str, value: str) -> str | None:
    if value and urlsplit(value).scheme not in {"postgresql", "postgres"}:
        message = f"{name} must start with postgresql://"
        raise SettingsError(message)
    return value or None


def _keys(_name: str, value: str) -> tuple[str, ...]:
    return tuple(key.strip() for key in value.split(",") if key.strip())


def _megabytes(name: str, value: str) -> int:
    return _count(name, value) * 1024 * 1024


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "DATABASE_URL",
        "",
        "The PostgreSQL to use, 15 or newer. Empty: the embedded server in the data directory.",
        _postgres_url,
    ),
    Setting(
        "DATABASE_OWNER_URL",
        "",
        "The role that owns the tables, for schema revisions, when `DATABASE_URL` names a role "
        "that owns nothing (as it must behind PgBouncer).",
        _postgres_url,
    ),
    Setting("DB_MAX_CONNECTIONS", "20", "Connections in each worker's pool, at most.", _count),
    Setting(
        "DB_STATEMENT_TIMEOUT",
        "30",
        "Seconds a statement may take before it is undone.",
        _seconds,
    ),
    Setting(
        "ROOST_ENV",
        "development",
        "`production`: TLS to the database required, secure cookies, no log-in link over plain "
        "HTTP beyond loopback.",
        _mode,
    ),
    Setting(
        "ROOST_SECRET_KEYS",
        "",
        "Keys that encrypt stored secrets, newest first, separated by commas. Empty: generated "
        "into `secret.keys` (mode 0600) in the data directory.",
        _keys,
    ),
    Setting("ROOST_DATA_DIR", "", "The data directory; `--data-dir` goes before it.", _path),
    Setting(
        "ROOST_POSTGRES_BIN",
        "",
        "A directory with PostgreSQL's programs, to be used instead of the wheel's.",
        _path,
    ),
    Setting(
        "ROOST_PUBLIC_URL",
        "",
        "The address people reach Roost at, when a proxy stands in front of it.",
        _address,
    ),
    Setting("ROOST_BODY_LIMIT_MB", "16", "The largest request body, in MiB.", _megabytes),
    Setting(
        "ROOST_DUMP_LIMIT_MB", "64", "The largest dump `POST /migration` takes, MiB.", _megabytes
    ),
    Setting(
        "ROOST_SHUTDOWN_SECONDS",
        "20",
        "How long requests under way may go on after a stop was asked for.",
        _seconds,
    ),
)


def _read(setting: Setting, value: str) -> object:
    try:
        return setting.read(setting.name, value)
    except SettingsError:
        raise
    except ValueError as error:  # what a URL's parser says
        message = f"{setting.name} can't be read: {error}"
        raise SettingsError(message) from error


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, typed. Times in seconds, sizes in bytes."""

    database_url: str | None
    database_owner_url: str | None
    max_connections: int
    statement_timeout: float
    mode: Literal["development", "production"]
    secret_keys: tuple[str, ...]
    data_dir: Path | None
    postgres_bin: Path | None
    public_url: str | None
    body_limit: int
    dump_limit: int
    shutdown_seconds: float

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read every setting; raises SettingsError naming the first that cannot be used."""
        values = [_read(s, environment.get(s.name) or s.default) for s in SETTINGS]
        return cls(*values)  # type: ignore[arg-type]  # the table gives each its reader

    @property
    def production(self) -> bool:
        """Whether the strict rules of production hold."""
        return self.mode == "production"
