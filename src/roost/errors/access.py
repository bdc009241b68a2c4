"""Problems of who is asking, and what they may."""

from roost.errors.catalogue import entry as _entry

UNAUTHORIZED = _entry(
    "UNAUTHORIZED",
    401,
    "A log-in is needed",
    "The request has no credential, or one that is unknown, expired or revoked. Which of these it "
    "is, is not said, on purpose: whoever tries credentials should not learn which ones were once "
    "good. A token's user sees at `GET /api/v1/tokens` whether it has expired, or is gone.",
    "Send `Authorization: Bearer <token>`; `roost token create --name NAME` makes one.",
)
FORBIDDEN = _entry(
    "FORBIDDEN",
    403,
    "This credential may not do that",
    "The credential is valid, but its scopes or its user's role do not allow the request.",
)
ORIGIN_REFUSED = _entry(
    "ORIGIN_REFUSED",
    403,
    "The request comes from another origin",
    "A request that changes something, made with the session cookie, must come from Roost's own "
    "origin: the `Origin` header did not match the address of the server.",
    "Use an access token for requests from other places.",
)
LOGIN_LINK_INVALID = _entry(
    "LOGIN_LINK_INVALID",
    401,
    "The log-in link is not valid",
    "Log-in links work once and for a short time. This one is unknown, used or expired.",
    "`roost login-link` prints a new one.",
)
LOGIN_LINK_PREFETCHED = _entry(
    "LOGIN_LINK_PREFETCHED",
    425,
    "The log-in link was fetched ahead of time",
    "A browser or a preview asked for the link before anybody followed it. It works once, so it "
    "was left unused.",
    "Follow the link.",
)

LOGIN_ATTEMPT_INVALID = _entry(
    "LOGIN_ATTEMPT_INVALID",
    400,
    "This log-in can't be finished",
    "A log-in by a provider is finished once, within ten minutes, by the provider and in the "
    "browser it was begun with. This one is unknown, used, expired, or another's.",
    "Log in again, from the start.",
)
RETURN_REFUSED = _entry(
    "RETURN_REFUSED",
    400,
    "The way back is not allowed",
    "`returnTo` must be a path of this Roost that begins with one `/`, or one of the addresses in "
    "`ROOST_LOGIN_REDIRECTS`.",
)
CONNECT_REFUSED = _entry(
    "CONNECT_REFUSED",
    400,
    "This page can't be connected",
    "A page opened `/migrate/connect` to ask for a token, without saying as it must who asks, or "
    "from an origin whose pages this Roost does not let in. It was given nothing.",
    "The operator names the page's origin in `ROOST_CORS_ORIGINS` and starts Roost again.",
)
PUBLIC_URL_NEEDED = _entry(
    "PUBLIC_URL_NEEDED",
    400,
    "Roost does not know its own address",
    "A provider sends people back to an address that must be known for sure. The request's `Host` "
    "is believed on this machine only.",
    "Set `ROOST_PUBLIC_URL` to the address people reach Roost at.",
)
LOGIN_NOT_PROVED = _entry(
    "LOGIN_NOT_PROVED",
    401,
    "The provider did not prove who this is",
    "The code or the id token was not accepted: its signature, issuer, audience, time or nonce is "
    "not what it must be. Nobody was logged in, and nothing was stored.",
    "Log in again. If it stays so, the administrator should compare the provider's settings, and "
    "the clocks.",
)
PROVIDER_MOVED = _entry(
    "PROVIDER_MOVED",
    401,
    "The provider is set up as another one",
    "The user's identity was vouched for by another issuer, or another profile endpoint, than the "
    "one that is set up under this provider's name now. The same subject may be somebody else "
    "there. Nobody was logged in, and nothing was stored.",
    "The administrator should set `ROOST_<PROVIDER>_ISSUER` (or `_USERINFO_URL`) back, give the "
    "new issuer a name of its own, or, if it is the same one at a new address, release the "
    "identities: see how to set up log-in by providers.",
)
LOGIN_REFUSED = _entry(
    "LOGIN_REFUSED",
    403,
    "The log-in was refused",
    "The provider says that its user did not agree, or may not. Nothing was stored.",
)
USER_DEACTIVATED = _entry(
    "USER_DEACTIVATED",
    403,
    "This user has been deactivated",
    "The log-in was in order, but an administrator has deactivated the user.",
    "Ask an administrator.",
)
SIGN_UP_CLOSED = _entry(
    "SIGN_UP_CLOSED",
    403,
    "New users need an invitation",
    "Nobody here is known by that identity, and `ROOST_SIGN_UP` is `closed`. Nothing was stored.",
    "Ask a member for an invitation, and log in from its link.",
)
EMAIL_IN_USE = _entry(
    "EMAIL_IN_USE",
    409,
    "Somebody here has that e-mail address",
    "The identity is new, and a user has its e-mail address already. An address alone never links "
    "an identity to a user.",
    "Log in the way you did before, and then add this provider at `/account`.",
)
PROVIDER_TOKEN_LOST = _entry(
    "PROVIDER_TOKEN_LOST",
    409,
    "The provider's access has ended",
    "Roost has no token of that provider for the user, or the provider takes it no longer.",
    "Log in with that provider again.",
)
PROVIDER_ANSWER_INVALID = _entry(
    "PROVIDER_ANSWER_INVALID",
    502,
    "The provider's answer can't be used",
    "The log-in provider answered with something other than what its protocol says. Nothing was "
    "stored.",
    "Try again later, or log in another way.",
)
PROVIDER_REFUSED = _entry(
    "PROVIDER_REFUSED",
    502,
    "The provider does not take this Roost's request",
    "The log-in provider refused the request: mostly its client id, secret or redirect address is "
    "not what is registered there. Nothing was stored.",
    "The administrator should compare `ROOST_<PROVIDER>_CLIENT_ID` and its kin with what is "
    "registered at the provider.",
)
PROVIDER_UNAVAILABLE = _entry(
    "PROVIDER_UNAVAILABLE",
    503,
    "The provider can't be reached",
    "The log-in provider does not answer, or says that it is out of order. Nothing was stored.",
    "Try again in a while, or log in another way.",
)
PROVIDER_TIMEOUT = _entry(
    "PROVIDER_TIMEOUT",
    504,
    "The provider took too long",
    "The log-in provider did not answer in time. Nothing was stored.",
    "Try again in a while, or log in another way.",
)
