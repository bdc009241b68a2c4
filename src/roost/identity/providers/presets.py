"""What Roost knows of providers beforehand, as data; settings override each part of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from roost.identity.providers.model import Provider, Reader
from roost.settings import ProviderSettings


@dataclass(frozen=True, slots=True)
class Preset:
    """A provider's defaults. Those after `reader` are for log-in by a profile, without an issuer.

    `asks_userinfo`: whether its userinfo endpoint may be asked for what an id token leaves out.
    """

    name: str
    issuer: str | None = None
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    asks_userinfo: bool = True
    reader: Reader = "claims"
    authorize_url: str | None = None
    token_url: str | None = None
    userinfo_url: str | None = None
    emails_url: str | None = None
    profile_scopes: tuple[str, ...] | None = None
    json_tokens: bool = False
    answers_as: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


PRESETS: Mapping[str, Preset] = {
    # No OpenID provider: it gives no id tokens. What it offers for discovery is not for log-in.
    "github": Preset(
        "GitHub",
        scopes=("read:user", "user:email"),
        reader="github",
        authorize_url="https://github.com/login/oauth/authorize",
        token_url="https://github.com/login/oauth/access_token",  # noqa: S106 -- an address
        userinfo_url="https://api.github.com/user",
        emails_url="https://api.github.com/user/emails",
        answers_as="https://github.com/login/oauth",
        headers={"accept": "application/vnd.github+json", "x-github-api-version": "2022-11-28"},
    ),
    # Its userinfo endpoint answers with a page for people; the id token has all that is needed.
    "openai": Preset("OpenAI", "https://auth.openai.com", asks_userinfo=False),
    # The issuer takes a signed assertion only. Endpoints given by settings instead of it are
    # those of the agent's own log-in, which take JSON.
    "anthropic": Preset(
        "Anthropic",
        "https://identity.anthropic.com/users",
        scopes=("openid", "email"),
        reader="anthropic",
        profile_scopes=("user:profile",),
        json_tokens=True,
    ),
}
OTHER = Preset("OpenID")
"""Of every other provider: all but its issuer is what the standard says."""


def provider_of(given: ProviderSettings) -> Provider:
    """Put preset and settings together.

    Who sets a profile endpoint and no issuer means log-in by that profile.
    """
    preset = PRESETS.get(given.id, OTHER)
    by_profile = given.issuer is None and (preset.issuer is None or given.userinfo_url is not None)
    moved = given.authorize_url is not None
    scopes = (by_profile and preset.profile_scopes) or preset.scopes
    name = preset.name if given.id in PRESETS else given.id.replace("-", " ").title()
    return Provider(
        id=given.id,
        name=given.name or name,
        client_id=given.client_id,
        client_secret=given.client_secret,
        scopes=given.scopes or scopes,
        issuer=None if by_profile else given.issuer or preset.issuer,
        authorize_url=given.authorize_url or preset.authorize_url,
        token_url=given.token_url or preset.token_url,
        userinfo_url=given.userinfo_url or preset.userinfo_url,
        emails_url=given.emails_url or (None if given.userinfo_url else preset.emails_url),
        json_tokens=by_profile and preset.json_tokens,
        reader=preset.reader if by_profile else "claims",
        answers_as=None if moved else preset.answers_as,
        headers=preset.headers,
        asks_userinfo=preset.asks_userinfo or given.userinfo_url is not None,
    )
