"""Where a channel leads: what each kind needs, what is allowed, and what may be shown of it."""

from urllib.parse import urlsplit

from roost import errors
from roost.errors import FieldError, ProblemError
from roost.performance.alerts.addresses import Policy, RefusedError, find, place_of_url
from roost.performance.alerts.channel_model import ChannelKind, Sealed
from roost.web.query import invalid


def require_fit(kind: ChannelKind, *, has_url: bool, has_email: bool) -> None:
    """Refuse what the kind of channel has no use for, and what is missing."""
    wants_url = kind in {"webhook", "slack", "discord"}
    for name, wanted, given in (("url", wants_url, has_url), ("email", kind == "email", has_email)):
        if wanted and not given:
            raise invalid(name, f"is required by a channel of the kind {kind}", "required")
        if given and not wanted:
            raise invalid(name, f"is nothing that a channel of the kind {kind} has", "unknown")


async def require_allowed(policy: Policy, config: Sealed) -> None:
    """Raise ALERT_TARGET_REFUSED when nothing may be sent there."""
    field = "url"
    try:
        if config.url is not None:
            await place_of_url(config.url, policy)
        elif config.email is not None:
            field = "email.host"
            plain = config.email.security == "none"
            email = config.email
            await find(email.host, email.port, policy, plain=plain)
    except RefusedError as error:
        raise ProblemError(
            errors.ALERT_TARGET_REFUSED,
            f"{field}: {error}",
            errors=[FieldError(field, str(error), "refused")],
        ) from error


def shown(config: Sealed) -> str:
    """Say what may be shown: the path of an address, and its query, are often secrets."""
    if config.email is not None:
        return f"{', '.join(config.email.to)} by {config.email.host}:{config.email.port}"
    if config.url is None:
        return "the log of Roost"
    url = urlsplit(config.url)
    return f"{url.scheme}://{url.netloc}/…"
