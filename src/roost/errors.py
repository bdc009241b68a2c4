"""The error catalogue: every problem Roost answers with, in one place.

Each entry has a stable code, the HTTP status and a page under `/docs/errors/`.
Wire format: RFC 9457 `application/problem+json`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One kind of problem: `status` is the HTTP status, `about` the text of its page."""

    code: str
    status: int
    title: str
    about: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field; `field` is a dotted path into the body, or a parameter."""

    field: str
    message: str
    code: str = "invalid"


CATALOGUE: dict[str, Entry] = {}


def _entry(code: str, status: int, title: str, about: str, hint: str | None = None) -> Entry:
    if code in CATALOGUE:
        message = f"error code {code} is catalogued twice"
        raise ValueError(message)
    entry = CATALOGUE[code] = Entry(code, status, title, about, hint)
    return entry


class ProblemError(Exception):
    """A catalogued problem on its way to the client."""

    def __init__(  # noqa: PLR0913 -- every part of a problem document can be set
        self,
        entry: Entry,
        detail: str | None = None,
        *,
        errors: Sequence[FieldError] = (),
        hint: str | None = None,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail or entry.title)
        self.entry = entry
        self.detail = detail or entry.title
        self.errors = tuple(errors)
        self.hint = hint or entry.hint
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})


# --- The request itself -------------------------------------------------------------------------
MALFORMED_BODY = _entry(
    "MALFORMED_BODY",
    400,
    "The body is not valid JSON",
    "The request's body could not be read as JSON. The detail names the byte where reading "
    "stopped. Bodies are UTF-8; a lone surrogate escape such as `\\ud800` is not a character.",
    "Send one JSON document with `Content-Type: application/json`.",
)
VALIDATION_ERROR = _entry(
    "VALIDATION_ERROR",
    400,
    "The request is not valid",
    "A field or parameter has the wrong type or value, is missing, or is unknown. `errors` lists "
    "each by name. Nothing was changed.",
)
UNSUPPORTED_MEDIA_TYPE = _entry(
    "UNSUPPORTED_MEDIA_TYPE",
    415,
    "The body's media type is not supported",
    "Roost reads JSON bodies: `application/json`, and `application/merge-patch+json` for PATCH.",
    "Send `Content-Type: application/json`.",
)
BODY_TOO_LARGE = _entry(
    "BODY_TOO_LARGE",
    413,
    "The body is too large",
    "The request's body is larger than this route takes. It was not read to its end, and nothing "
    "was changed.",
    "Split the request; `POST /tasks/batch` takes up to 1,000 operations a request.",
)
REQUEST_TIMEOUT = _entry(
    "REQUEST_TIMEOUT",
    408,
    "The body took too long",
    "The request's body did not arrive in time, and nothing was changed. A body has a minute in "
    "all, a dump of a browser ten.",
    "Send the request again, at once and in one piece.",
)
ROUTE_NOT_FOUND = _entry(
    "ROUTE_NOT_FOUND",
    404,
    "There is no such route",
    "The path is not one of Roost's. Paths are case-sensitive.",
    "See `/docs` for every route.",
)
METHOD_NOT_ALLOWED = _entry(
    "METHOD_NOT_ALLOWED",
    405,
    "The route does not take this method",
    "The path exists, with other methods: the `Allow` header lists them.",
)
RATE_LIMITED = _entry(
    "RATE_LIMITED",
    429,
    "Too many requests",
    "This client has sent more requests than the route takes in its window.",
    "Wait for the number of seconds in `Retry-After`.",
)

# --- Who is asking ------------------------------------------------------------------------------
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

# --- What is asked for --------------------------------------------------------------------------
TASK_NOT_FOUND = _entry(
    "TASK_NOT_FOUND", 404, "There is no such task", "No task of this workspace has that id."
)
EXECUTION_NOT_FOUND = _entry(
    "EXECUTION_NOT_FOUND",
    404,
    "There is no such execution",
    "No execution of this workspace has that id.",
)
STEP_NOT_FOUND = _entry(
    "STEP_NOT_FOUND",
    404,
    "There is no such step",
    "The execution has no step of that number. Steps are numbered from 1, without gaps.",
)
EXECUTION_ENDED = _entry(
    "EXECUTION_ENDED",
    409,
    "The execution is not at work",
    "Only a live execution (starting, running, awaiting_input) takes steps and heartbeats. What "
    "has ended stays as it is; an expired lease ends an execution as stale.",
    "Stop working on it. To go on from one of its steps, fork it and claim the fork.",
)
LEASE_EXPIRED = _entry(
    "LEASE_EXPIRED",
    409,
    "The lease has expired",
    "The lease was not renewed in time: the execution becomes stale, and somebody else may claim "
    "the task.",
    "Stop working on it, and claim again. Send heartbeats well within leaseSeconds.",
)
NOT_THE_CLAIMANT = _entry(
    "NOT_THE_CLAIMANT",
    403,
    "Somebody else holds the lease",
    "Steps, heartbeats and results come from the user who has claimed the execution. Other members "
    "may read it, add a step of the type manual, and cancel it.",
)
TASK_NOT_CLAIMABLE = _entry(
    "TASK_NOT_CLAIMABLE",
    409,
    "The task can't be worked on now",
    "Another execution of the task is live, or the task is archived, paused, blocked or cancelled.",
)
STATE_TOO_LARGE = _entry(
    "STATE_TOO_LARGE",
    413,
    "The state is too large",
    "A step's `state` may have 1 MiB of JSON, without spaces.",
    "Keep large things (files, logs) elsewhere, and their addresses in the state.",
)
EXECUTION_LIVE = _entry(
    "EXECUTION_LIVE",
    409,
    "The execution is still at work",
    "Only an execution that has ended can be rolled back.",
    "Cancel it first, or wait for its end.",
)
NOT_A_CHECKPOINT = _entry(
    "NOT_A_CHECKPOINT",
    409,
    "The step is no checkpoint",
    "A rollback goes back to a step that was recorded with `checkpoint: true`, or whose type is "
    "`checkpoint`.",
    "List the checkpoints with GET /executions/{id}/steps?checkpoint=true.",
)
CLIENT_KEY_REUSED = _entry(
    "CLIENT_KEY_REUSED",
    422,
    "The client key belongs to another step",
    "A step of this execution has that `clientKey`, and is another one: its type, description, "
    "data or state differ.",
    "Give each step a key of its own; send the same step to get the first answer again.",
)
ENVIRONMENT_NOT_FOUND = _entry(
    "ENVIRONMENT_NOT_FOUND",
    404,
    "There is no such environment",
    "No environment of this workspace has that id, or no environment is active.",
)
QUERY_NOT_FOUND = _entry(
    "QUERY_NOT_FOUND",
    404,
    "There is no such query",
    "The database doctor knows no statement of that id: it was never seen, or forgotten since.",
    "Take an id from GET /api/v1/performance/queries.",
)
INDEX_CHANGE_NOT_FOUND = _entry(
    "INDEX_CHANGE_NOT_FOUND",
    404,
    "There is no such change",
    "No change of an index has that id.",
)
INDEX_CHANGE_RUNNING = _entry(
    "INDEX_CHANGE_RUNNING",
    409,
    "An index is being changed",
    "Another change of an index is under way: there is one at a time.",
    "Wait for it, or cancel it: GET /api/v1/performance/indexes/changes.",
)
OWNER_NEEDED = _entry(
    "OWNER_NEEDED",
    409,
    "The owner's connection is needed",
    "This server does not know how the owner of the tables connects, so it can change no index.",
    "Run the SQL yourself, or set DATABASE_OWNER_URL.",
)
REPORT_NOT_FOUND = _entry(
    "REPORT_NOT_FOUND",
    404,
    "There is no such report",
    "The database doctor has no report of that id: none was made, or it is past its time.",
)
BENCHMARK_NOT_FOUND = _entry(
    "BENCHMARK_NOT_FOUND",
    404,
    "There is no such benchmark",
    "No benchmark of that id was begun, or it was removed since.",
    "Take an id from GET /api/v1/performance/benchmarks.",
)
ALERT_NOT_FOUND = _entry(
    "ALERT_NOT_FOUND",
    404,
    "There is no such alert",
    "No alert has that id: there never was one, or it is over for more than 90 days.",
    "Take an id from GET /api/v1/performance/alerts.",
)
ALERT_RULE_NOT_FOUND = _entry(
    "ALERT_RULE_NOT_FOUND", 404, "There is no such rule", "No rule for alerts has that id."
)
ALERT_CHANNEL_NOT_FOUND = _entry(
    "ALERT_CHANNEL_NOT_FOUND",
    404,
    "There is no such channel",
    "No channel for alerts has that id.",
)
SECRET_NOT_FOUND = _entry(
    "SECRET_NOT_FOUND",
    404,
    "There is no such secret",
    "The environment has no secret of that name.",
)
USER_NOT_FOUND = _entry(
    "USER_NOT_FOUND", 404, "There is no such user", "No user of this workspace has that id."
)
SESSION_NOT_FOUND = _entry(
    "SESSION_NOT_FOUND", 404, "There is no such session", "The user has no active session of it."
)
PROVIDER_NOT_FOUND = _entry(
    "PROVIDER_NOT_FOUND",
    404,
    "There is no such log-in provider",
    "No log-in provider of that name is set up.",
    "`GET /api/v1/auth/providers` lists those that are.",
)
IDENTITY_NOT_FOUND = _entry(
    "IDENTITY_NOT_FOUND",
    404,
    "There is no such identity",
    "The user has no identity of that id.",
)
TOKEN_NOT_FOUND = _entry(
    "TOKEN_NOT_FOUND", 404, "There is no such token", "No live access token has that id."
)
WORKSPACE_NOT_FOUND = _entry(
    "WORKSPACE_NOT_FOUND",
    404,
    "There is no such workspace",
    "The user is a member of no workspace with that id or slug.",
    "`GET /api/v1/workspaces` lists yours.",
)
INVITATION_NOT_FOUND = _entry(
    "INVITATION_NOT_FOUND",
    404,
    "There is no such invitation",
    "The invitation is unknown, used, expired or revoked, or who made it may not invite any more.",
    "Ask for a new one.",
)
MIGRATION_NOT_FOUND = _entry(
    "MIGRATION_NOT_FOUND", 404, "There is no such migration", "The caller has no migration of it."
)
VERSION_NOT_FOUND = _entry(
    "VERSION_NOT_FOUND",
    404,
    "There is no such version",
    "Nothing of that id had that version, or nothing of that id was there at that moment, as far "
    "as history is kept.",
    "The history of the task or environment lists its versions.",
)
MOMENT_IN_FUTURE = _entry(
    "MOMENT_IN_FUTURE",
    400,
    "That moment is yet to come",
    "`asOf`, `from` or `to` is later than the server's clock, or a tick that was not made yet. "
    "What is read as of a moment must not change any more.",
    "Leave it out to read what there is now.",
)
MOMENT_NOT_KEPT = _entry(
    "MOMENT_NOT_KEPT",
    410,
    "History does not go back that far",
    "What was before that is not kept: the journal is dropped after "
    "`ROOST_JOURNAL_RETENTION_DAYS`. `oldest` has the oldest moment that can be read.",
)
ERROR_PAGE_NOT_FOUND = _entry(
    "ERROR_PAGE_NOT_FOUND",
    404,
    "There is no such error code",
    "The catalogue has no entry of that code. `/docs/errors/` lists them all.",
)

# --- What is in the way -------------------------------------------------------------------------
CONFLICT = _entry(
    "CONFLICT",
    409,
    "The change conflicts with what is stored",
    "Something with the same identity exists already. The detail names it.",
)
INVALID_STATE_TRANSITION = _entry(
    "INVALID_STATE_TRANSITION",
    409,
    "The status cannot change that way",
    "The transition table does not allow this change. The detail and `allowed` name the "
    "states that can follow the present one.",
)
MIGRATION_IN_PROGRESS = _entry(
    "MIGRATION_IN_PROGRESS",
    409,
    "A migration is already running",
    "One migration at a time runs per user and workspace.",
    "Wait for it, or cancel it: `GET /api/v1/migration` names it.",
)
MIGRATION_STATE = _entry(
    "MIGRATION_STATE",
    409,
    "The migration is not in a state for that",
    "The step asked for does not follow from the migration's present state.",
)
BENCHMARK_RUNNING = _entry(
    "BENCHMARK_RUNNING",
    409,
    "A benchmark is running",
    "One at a time runs on a database, whichever worker or machine it was begun by: two would "
    "measure each other. `id` names it.",
    "Wait for it, or cancel it: `POST /api/v1/performance/benchmarks/{id}/cancel`.",
)
DOCUMENT_NOT_FOUND = _entry(
    "DOCUMENT_NOT_FOUND",
    404,
    "There is no such document",
    "No document with this id was kept for you in this workspace.",
)
MIGRATION_BACKUP_NOT_FOUND = _entry(
    "MIGRATION_BACKUP_NOT_FOUND",
    404,
    "The dump was deleted",
    "The migration's owner has deleted the dump; what was migrated from it is still there.",
)
PRECONDITION_FAILED = _entry(
    "PRECONDITION_FAILED",
    412,
    "It has changed since it was read",
    "`If-Match` names another version than the present one, which `currentVersion` and the "
    "`ETag` header give.",
    "Read it again, apply the change to the new version, and repeat.",
)
IDEMPOTENCY_KEY_REUSED = _entry(
    "IDEMPOTENCY_KEY_REUSED",
    422,
    "The idempotency key was used for another request",
    "The same `Idempotency-Key` came with another body or route. Keys live for 24 hours.",
    "Use a new key for each new request.",
)
MIGRATION_SOURCE = _entry(
    "MIGRATION_SOURCE",
    400,
    "The dump cannot be read",
    "What was sent is not a dump of browser storage. The detail says what was expected.",
)

ALERT_TARGET_REFUSED = _entry(
    "ALERT_TARGET_REFUSED",
    422,
    "Alerts are not sent there",
    "The host of the channel is none that Roost sends to: it has no address now, is on a private "
    "network or this machine, or would be sent to in plain text in production. The detail says "
    "which. Nothing was changed.",
    "Name a network of your own in `ROOST_ALERT_NETWORKS`, and start Roost again.",
)

# --- The server's own trouble -------------------------------------------------------------------
DATABASE_UNAVAILABLE = _entry(
    "DATABASE_UNAVAILABLE",
    503,
    "The database cannot be reached",
    "The connection to PostgreSQL was lost or could not be had in time. A change whose commit was "
    "not confirmed may or may not have happened: repeat it with the same `Idempotency-Key`.",
    "Try again after the number of seconds in `Retry-After`.",
)
STORAGE_FULL = _entry(
    "STORAGE_FULL",
    507,
    "The database's disk is full",
    "PostgreSQL had no room to write, and the change was not made. A migration keeps what it has "
    "committed, stands where it is, and goes on by itself when there is room.",
    "Make room where PostgreSQL keeps its data, and send the request again with the same "
    "`Idempotency-Key`.",
)
SERVER_STOPPING = _entry(
    "SERVER_STOPPING",
    503,
    "The server is being stopped",
    "The server was stopped while the request was under way, and it took longer than "
    "`ROOST_SHUTDOWN_SECONDS`. Its change was made, or not: look, or repeat it with the same "
    "`Idempotency-Key`. A migration goes on at the next start.",
    "Try again after the number of seconds in `Retry-After`.",
)
QUERY_TIMEOUT = _entry(
    "QUERY_TIMEOUT",
    503,
    "The database took too long",
    "The statement ran into its time limit and was undone.",
    "Narrow the filters, or try again later.",
)
CONTENTION = _entry(
    "CONTENTION",
    503,
    "Too many changes at once",
    "Other transactions kept getting in the way; nothing was changed.",
    "Try again.",
)
INTERNAL_ERROR = _entry(
    "INTERNAL_ERROR",
    500,
    "Something went wrong on the server",
    "A fault of Roost's. The log has the details under the `requestId`.",
    "Please report it with the `requestId`.",
)
