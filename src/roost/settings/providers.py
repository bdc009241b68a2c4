"""The settings of log-in providers: any number of them, each with a prefix of its own."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from roost.settings.readers import SettingsError, provider_url


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
