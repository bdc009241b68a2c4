"""Settings: read once from the environment, checked, and passed in from the top."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import UUID

from roost.settings import readers
from roost.settings.providers import (
    PRESET_PROVIDERS,
    PROVIDER_SETTINGS,
    ProviderSettings,
    read_providers,
)
from roost.settings.readers import SettingsError, provider_url

__all__ = [
    "PRESET_PROVIDERS",
    "PROVIDER_SETTINGS",
    "SETTINGS",
    "ProviderSettings",
    "Setting",
    "Settings",
    "SettingsError",
    "provider_url",
    "read_providers",
]


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable: its name, default (as text) and help, for docs and doctor."""

    name: str
    default: str
    help: str
    read: Callable[[str, str], object]


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "DATABASE_URL",
        "",
        "The PostgreSQL to use, 15 or newer. Empty: the embedded server in the data directory.",
        readers.postgres_url,
    ),
    Setting(
        "DATABASE_OWNER_URL",
        "",
        "The role that owns the tables, for schema revisions, when `DATABASE_URL` names a role "
        "that owns nothing (as it must behind PgBouncer).",
        readers.postgres_url,
    ),
    Setting(
        "DB_MAX_CONNECTIONS", "20", "Connections in each worker's pool, at most.", readers.count
    ),
    Setting(
        "DB_STATEMENT_TIMEOUT",
        "30",
        "Seconds a statement may take before it is undone.",
        readers.seconds,
    ),
    Setting(
        "ROOST_ENV",
        "development",
        "`production`: TLS to the database required, secure cookies, no log-in link over plain "
        "HTTP beyond loopback.",
        readers.mode,
    ),
    Setting(
        "ROOST_SECRET_KEYS",
        "",
        "Keys that encrypt stored secrets, newest first, separated by commas. Empty: generated "
        "into `secret.keys` (mode 0600) in the data directory.",
        readers.keys,
    ),
    Setting("ROOST_DATA_DIR", "", "The data directory; `--data-dir` goes before it.", readers.path),
    Setting(
        "ROOST_POSTGRES_BIN",
        "",
        "A directory with PostgreSQL's programs, to be used instead of the wheel's.",
        readers.path,
    ),
    Setting(
        "ROOST_PUBLIC_URL",
        "",
        "The address people reach Roost at, when a proxy stands in front of it.",
        readers.address,
    ),
    Setting(
        "ROOST_TRUSTED_PROXIES",
        "",
        "Addresses and networks of proxies, separated by commas, whose `X-Forwarded-For` and "
        "`X-Forwarded-Proto` are believed. Empty: nobody's.",
        readers.networks,
    ),
    Setting(
        "ROOST_REDIS_URL",
        "",
        "A Redis or Valkey in which all workers count requests against the limits together, and "
        "share what the cache keeps: `redis://`, `rediss://` (TLS) or `unix://`. Empty: each for "
        "itself.",
        readers.redis_url,
    ),
    Setting(
        "ROOST_CACHE_MB",
        "32",
        "Memory in which each worker keeps what it has read of tasks and environments, in MiB. "
        "`0`: nothing is kept.",
        readers.megabytes_or_none,
    ),
    Setting(
        "ROOST_ELECTRIC_URL",
        "",
        "An ElectricSQL server over this database, which then serves `/v1/shape` behind Roost's "
        "guards. Empty: Roost serves it itself.",
        readers.address,
    ),
    Setting(
        "ROOST_ELECTRIC_SECRET",
        "",
        "The secret that the ElectricSQL server asks for.",
        readers.text,
    ),
    Setting("ROOST_BODY_LIMIT_MB", "16", "The largest request body, in MiB.", readers.megabytes),
    Setting(
        "ROOST_DUMP_LIMIT_MB",
        "64",
        "The largest dump `POST /migration` takes, MiB.",
        readers.megabytes,
    ),
    Setting(
        "ROOST_SYNC_MAX_COST",
        "10000000",
        "What a client's `where` in live sync may cost by PostgreSQL's estimate, in the planner's "
        "units. `0`: anything.",
        readers.cost,
    ),
    Setting(
        "ROOST_JOURNAL_RETENTION_DAYS",
        "90",
        "Days of history that are kept at least; older changes and ticks are dropped, by whole "
        "months. `0` keeps all.",
        readers.days,
    ),
    Setting(
        "ROOST_PERFORMANCE_DAYS",
        "15",
        "Days for which the database doctor remembers what statements and requests cost; the "
        "first two by the minute, the others by the hour. `0`: it looks at nothing by itself.",
        readers.days,
    ),
    Setting(
        "ROOST_OPERATOR_WORKSPACES",
        "",
        "The ids, separated by commas, of the workspaces whose owners and administrators may ask "
        "the database doctor, and have it act: it is about the whole server. Empty: those of every "
        "workspace, which is right where all who use the server are one team.",
        readers.uuids,
    ),
    Setting(
        "ROOST_INDEX_WINDOW_DAYS",
        "7",
        "Days that PostgreSQL's statistics must reach back before an index is called unused.",
        readers.days,
    ),
    Setting(
        "ROOST_SLOW_QUERY_MS",
        "1000",
        "Milliseconds from which on a statement is a slow one.",
        readers.count,
    ),
    Setting(
        "ROOST_ALERT_NETWORKS",
        "",
        "Private addresses and networks, separated by commas, that alerts may be sent to, in "
        "production without encryption too. Empty: the internet alone.",
        readers.networks,
    ),
    Setting(
        "ROOST_SHUTDOWN_SECONDS",
        "20",
        "How long requests under way may go on after a stop was asked for.",
        readers.seconds,
    ),
    Setting(
        "ROOST_SIGN_UP",
        "open",
        "`closed`: by a provider log in only those who have a user here, or come with a live "
        "invitation, which they accept by that. So whoever may invite may let people in.",
        readers.sign_up,
    ),
    Setting(
        "ROOST_LOGIN_REDIRECTS",
        "",
        "Whole addresses, separated by commas, that `returnTo` may name beside Roost's own paths.",
        readers.targets,
    ),
    Setting(
        "ROOST_CORS_ORIGINS",
        "",
        "The origins, separated by commas, whose pages may, with a token, follow tables live, work "
        "with tasks, environments and their history, and migrate what they keep in the browser: "
        "`https://app.example.com`. `*`: every page. Empty: pages on this machine, at `localhost` "
        "or a loopback address, on any port.",
        readers.origins,
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
    trusted_proxies: tuple[str, ...]
    redis_url: str | None
    cache_limit: int
    electric_url: str | None
    electric_secret: str | None
    body_limit: int
    dump_limit: int
    sync_max_cost: int
    journal_retention_days: int
    performance_days: int
    operator_workspaces: tuple[UUID, ...]
    index_window_days: int
    slow_query_ms: int
    alert_networks: tuple[str, ...]
    shutdown_seconds: float
    sign_up: bool
    login_redirects: tuple[str, ...]
    cors_origins: tuple[str, ...]
    providers: tuple[ProviderSettings, ...]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read every setting; raises SettingsError naming the first that cannot be used."""
        values = [_read(s, environment.get(s.name) or s.default) for s in SETTINGS]
        values.append(read_providers(environment))
        return cls(*values)  # type: ignore[arg-type]  # the table gives each its reader

    @property
    def production(self) -> bool:
        """Whether the strict rules of production hold."""
        return self.mode == "production"
