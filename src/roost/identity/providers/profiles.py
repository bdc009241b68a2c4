"""Reading who it is, from an id token's claims or from a profile; nothing in them is trusted."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from roost.identity.providers.model import Profile, nonsense

LONGEST_SUBJECT = 255
_LONGEST_EMAIL, _LONGEST_NAME, _LONGEST_URL = 320, 255, 2000
_PART = "[!-?A-~\u00a1-\ud7ff]+"
_EMAIL = re.compile(f"{_PART}@{_PART}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def from_claims(provider: str, claims: Mapping[str, Any]) -> Profile:
    """Read OpenID's standard claims."""
    email = email_of(claims.get("email"))
    return Profile(
        subject_of(provider, claims.get("sub")),
        email,
        email_verified=email is not None and claims.get("email_verified") is True,
        name=name_of(claims.get("name"), claims.get("preferred_username")),
        avatar_url=_picture(claims.get("picture")),
    )


def from_github(provider: str, user: Mapping[str, Any], emails: object) -> Profile:
    """Read GitHub's user. The number counts: a user may give their name to another.

    The address is the primary one if it is verified; that of the profile may be any.
    """
    number = user.get("id")
    if isinstance(number, bool) or not isinstance(number, int):
        raise nonsense(provider, "its profile has no id")
    listed = [one for one in emails if isinstance(one, dict)] if isinstance(emails, list) else []
    primary = [one for one in listed if one.get("primary") is True and one.get("verified") is True]
    email = email_of(primary[0].get("email")) if primary else None
    return Profile(
        str(number),
        email,
        email_verified=email is not None,
        name=name_of(user.get("name"), user.get("login")),
        avatar_url=_picture(user.get("avatar_url")),
    )


def from_anthropic(provider: str, profile: Mapping[str, Any]) -> Profile:
    """Read Anthropic's profile of an account; it does not say whether an address is verified."""
    account = profile.get("account")
    if not isinstance(account, dict):
        return from_claims(provider, profile)
    return Profile(
        subject_of(provider, account.get("uuid")),
        email_of(account.get("email") or account.get("email_address")),
        name=name_of(account.get("display_name"), account.get("full_name")),
    )


def subject_of(provider: str, value: object) -> str:
    """Read what a provider knows a user by."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if (
        not isinstance(value, str)
        or not 0 < len(value) <= LONGEST_SUBJECT
        or _CONTROL.search(value)
    ):
        raise nonsense(provider, "it does not say whose log-in it is")
    return value


def email_of(value: object) -> str | None:
    """Read an address; None when it is none."""
    if not isinstance(value, str) or len(value) > _LONGEST_EMAIL:
        return None
    return value if _EMAIL.fullmatch(value) else None


def name_of(*values: object) -> str | None:
    """Read a name for people: the first there is, on one line."""
    return next(filter(None, map(_line, values)), None)


def _line(value: object) -> str:
    return _CONTROL.sub(" ", value).strip()[:_LONGEST_NAME] if isinstance(value, str) else ""


def _picture(value: object) -> str | None:
    if not isinstance(value, str) or len(value) > _LONGEST_URL or _CONTROL.search(value):
        return None
    try:
        return value if urlsplit(value).scheme == "https" else None
    except ValueError:
        return None
