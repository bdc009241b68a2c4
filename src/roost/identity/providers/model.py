"""What is known of a provider, of somebody who logs in there, and of the tokens it gave."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from roost import errors
from roost.errors import ProblemError

Reader = Literal["claims", "github", "anthropic"]
"""How the answer of a profile endpoint is to be read."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider as presets and settings together make it.

    With `issuer` it speaks OpenID Connect: endpoints that are None come from its discovery
    document. Without, all of them are known, and the profile says who it is. `answers_as` is the
    `iss` that it puts on its callbacks (RFC 9207), where that is known.
    """

    id: str
    name: str
    client_id: str
    client_secret: str | None = field(repr=False)
    scopes: tuple[str, ...]
    issuer: str | None = None
    authorize_url: str | None = None
    token_url: str | None = None
    userinfo_url: str | None = None
    emails_url: str | None = None
    json_tokens: bool = False
    reader: Reader = "claims"
    answers_as: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    asks_userinfo: bool = True

    @property
    def voucher(self) -> str:
        """Who vouches for people: its issuer, or the address that profiles are read from."""
        return self.issuer or self.userinfo_url or ""

    @property
    def has_private_key(self) -> bool:
        """Whether the secret is a key to sign with, not a word to send."""
        return (self.client_secret or "").lstrip().startswith("-----BEGIN")


@dataclass(frozen=True, slots=True)
class Profile:
    """Somebody as a provider knows them; `subject` never changes, everything else may."""

    subject: str
    email: str | None = None
    email_verified: bool = False
    name: str | None = None
    avatar_url: str | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """The tokens that a provider gave; `expires_at` is in seconds since 1970."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    id_token: str | None = field(default=None, repr=False)
    scope: str | None = None
    expires_at: int | None = None


def nonsense(provider: str, what: str) -> ProblemError:
    """Say that a provider's answer can't be used. `what` quotes nothing of it."""
    return ProblemError(errors.PROVIDER_ANSWER_INVALID, f"{provider}: {what}")


def unproved(provider: str, what: str) -> ProblemError:
    """Say that a log-in was not shown to be true."""
    return ProblemError(errors.LOGIN_NOT_PROVED, f"{provider}: {what}")
