"""Settings: read once from the environment, checked, and passed in from the top."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit


class SettingsError(ValueError):
    """A setting has a value that cannot be used; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """What the environment says of one log-in provider; None is what it leaves to the preset."""

    id: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    name: str | None = None
    issuer: str | None = None
    authorize_url: str | None = None
    token_url: str | None = None
    userinfo_url: str | None = None
    emails_url: str | None = None
    scopes: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable: its name, default (as text) and help, for docs and doctor."""

    name: str
    default: str
    help: str
    read: Callable[[str, str], object]


_MOST_DAYS = 36_500
_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d+)?/?", re.IGNORECASE)


def _address(name: str, value: str) -> str | None:
    # Not quoted: somebody may have put a password into it.
    if value and not _ORIGIN.fullmatch(value):
        message = (
            f"{name} must be https:// or http:// and a host, perhaps with a port, as "
            "https://roost.example.com: no path, name, password, query or fragment"
        )
        raise SettingsError(message)
    _ = urlsplit(value).port
    return value.removesuffix("/") or None


def _path(_name: str, value: str) -> Path | None:
    return Path(value).expanduser() if value else None


def _count(name: str, value: str) -> int:
    if not re.fullmatch(r"\d{1,6}", value) or int(value) < 1:
        message = f"{name} must be a whole number from 1 up, not {value!r}"
        raise SettingsError(message)
    return int(value)


def _cost(name: str, value: str) -> int:
    if not re.fullmatch(r"\d{1,15}", value):
        message = f"{name} must be a whole number, not {value!r}"
        raise SettingsError(message)
    return int(value)


def _days(name: str, value: str) -> int:
    if not re.fullmatch(r"\d{1,5}", value) or int(value) > _MOST_DAYS:
        message = f"{name} must be a whole number of days from 0 to {_MOST_DAYS}, not {value!r}"
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


def _redis_url(name: str, value: str) -> str | None:
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


def _networks(name: str, value: str) -> tuple[str, ...]:
    networks = [ipaddress.ip_network(part.strip()) for part in value.split(",") if part.strip()]
    if any(network.prefixlen == 0 for network in networks):
        message = f"{name} would trust everybody: give your proxies' own addresses"
        raise SettingsError(message)
    return tuple(str(network) for network in networks)


def _keys(_name: str, value: str) -> tuple[str, ...]:
    return tuple(key.strip() for key in value.split(",") if key.strip())


def _megabytes(name: str, value: str) -> int:
    return _count(name, value) * 1024 * 1024


def _megabytes_or_none(name: str, value: str) -> int:
    return 0 if re.fullmatch("0+", value) else _megabytes(name, value)


def _text(_name: str, value: str) -> str | None:
    return value or None


def _sign_up(name: str, value: str) -> bool:
    if value not in {"open", "closed"}:
        message = f"{name} must be open or closed, not {value!r}"
        raise SettingsError(message)
    return value == "open"


def _targets(name: str, value: str) -> tuple[str, ...]:
    return tuple(provider_url(name, part.strip()) for part in value.split(",") if part.strip())


def _origins(name: str, value: str) -> tuple[str, ...]:
    parts = [part.strip() for part in value.split(",") if part.strip()]
    if parts == ["*"]:
        return ("*",)
    return tuple(str(_address(name, part)) for part in parts)


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
    Setting(
        "ROOST_TRUSTED_PROXIES",
        "",
        "Addresses and networks of proxies, separated by commas, whose `X-Forwarded-For` and "
        "`X-Forwarded-Proto` are believed. Empty: nobody's.",
        _networks,
    ),
    Setting(
        "ROOST_REDIS_URL",
        "",
        "A Redis or Valkey in which all workers count requests against the limits together: "
        "`redis://`, `rediss://` (TLS) or `unix://`. Empty: each worker counts for itself.",
        _redis_url,
    ),
    Setting(
        "ROOST_CACHE_MB",
        "32",
        "Memory in which each worker keeps what it has read of tasks and environments, in MiB. "
        "`0`: nothing is kept.",
        _megabytes_or_none,
    ),
    Setting(
        "ROOST_ELECTRIC_URL",
        "",
        "An ElectricSQL server over this database, which then serves `/v1/shape` behind Roost's "
        "guards. Empty: Roost serves it itself.",
        _address,
    ),
    Setting("ROOST_ELECTRIC_SECRET", "", "The secret that the ElectricSQL server asks for.", _text),
    Setting("ROOST_BODY_LIMIT_MB", "16", "The largest request body, in MiB.", _megabytes),
    Setting(
        "ROOST_DUMP_LIMIT_MB", "64", "The largest dump `POST /migration` takes, MiB.", _megabytes
    ),
    Setting(
        "ROOST_SYNC_MAX_COST",
        "10000000",
        "What a client's `where` in live sync may cost by PostgreSQL's estimate, in the planner's "
        "units. `0`: anything.",
        _cost,
    ),
    Setting(
        "ROOST_JOURNAL_RETENTION_DAYS",
        "90",
        "Days of history that are kept at least; older changes and ticks are dropped, by whole "
        "months. `0` keeps all.",
        _days,
    ),
    Setting(
        "ROOST_SHUTDOWN_SECONDS",
        "20",
        "How long requests under way may go on after a stop was asked for.",
        _seconds,
    ),
    Setting(
        "ROOST_SIGN_UP",
        "open",
        "`closed`: by a provider log in only those who have a user here, or come with a live "
        "invitation, which they accept by that. So whoever may invite may let people in.",
        _sign_up,
    ),
    Setting(
        "ROOST_LOGIN_REDIRECTS",
        "",
        "Whole addresses, separated by commas, that `returnTo` may name beside Roost's own paths.",
        _targets,
    ),
    Setting(
        "ROOST_CORS_ORIGINS",
        "",
        "The origins, separated by commas, whose pages may, with a token, follow tables live and "
        "migrate what they keep in the browser: "
        "`https://app.example.com`. `*`: every page. Empty: pages on this machine, at `localhost` "
        "or a loopback address, on any port.",
        _origins,
    ),
)


PROVIDER_SETTINGS: tuple[tuple[str, str], ...] = (
    ("CLIENT_ID", "The id that the provider gave to this Roost. It turns the provider on."),
    (
        "CLIENT_SECRET",
        "The secret that goes with it, or a private key (PEM). Empty: a public client.",
    ),
    ("NAME", "What people read on the log-in page."),
    ("ISSUER", "The OpenID issuer, whose discovery document says the rest."),
    ("AUTHORIZE_URL", "Where the browser is sent to log in."),
    ("TOKEN_URL", "Where the code is exchanged."),
    ("USERINFO_URL", "Where the profile is read. Without an issuer, it says who logs in."),
    ("EMAILS_URL", "Where GitHub lists the addresses of a user."),
    ("SCOPES", "What is asked for, separated by spaces."),
)
"""What can be set for each provider: the end of `ROOST_<PROVIDER>_…`, and its help."""
PRESET_PROVIDERS = ("github", "openai", "anthropic")
"""Those whose endpoints Roost knows; every other one is an OpenID issuer."""
_PROVIDER = re.compile(r"ROOST_([A-Z0-9]+(?:_[A-Z0-9]+)*)_(?:CLIENT_ID|CLIENT_SECRET|ISSUER)")


def read_providers(environment: Mapping[str, str]) -> tuple[ProviderSettings, ...]:
    """Read `ROOST_<PROVIDER>_…`; SettingsError when a provider's settings are not complete."""
    set_ = {name for name, value in environment.items() if value.strip()}
    names = {found[1] for found in map(_PROVIDER.fullmatch, set_) if found}
    for preset in map(str.upper, PRESET_PROVIDERS):
        if any(f"ROOST_{preset}_{end}" in set_ for end, _ in PROVIDER_SETTINGS):
            names.add(preset)
    order = {name: number for number, name in enumerate(PRESET_PROVIDERS)}
    found = (_provider(name, environment) for name in sorted(names))
    return tuple(sorted(found, key=lambda one: (order.get(one.id, len(order)), one.id)))


def _provider(name: str, environment: Mapping[str, str]) -> ProviderSettings:
    prefix, provider = f"ROOST_{name}_", name.lower().replace("_", "-")
    given = {
        end.lower(): environment[prefix + end].strip()
        for end, _ in PROVIDER_SETTINGS
        if environment.get(prefix + end, "").strip()
    }
    if "client_id" not in given:
        message = f"{prefix}CLIENT_ID is missing: set it, or take the other {prefix}… away"
        raise SettingsError(message)
    if provider not in PRESET_PROVIDERS and "issuer" not in given:
        message = (
            f"{prefix}ISSUER is missing: {provider} is none of {', '.join(PRESET_PROVIDERS)}, so "
            "Roost must be told its OpenID issuer"
        )
        raise SettingsError(message)
    if provider == "github" and "client_secret" not in given:
        message = f"{prefix}CLIENT_SECRET is missing: GitHub takes no log-in without it"
        raise SettingsError(message)
    for end in [end for end in given if end == "issuer" or end.endswith("_url")]:
        try:
            provider_url(prefix + end.upper(), given[end])
        except SettingsError:
            raise
        except ValueError as error:  # what a URL's parser says
            message = f"{prefix}{end.upper()} can't be read: {error}"
            raise SettingsError(message) from error
    scopes = tuple(given.pop("scopes", "").split()) or None
    return ProviderSettings(provider, scopes=scopes, **given)


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
