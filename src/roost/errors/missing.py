"""Problems of what is asked for and is not there, or can't be had."""

from roost.errors.catalogue import entry as _entry

TASK_NOT_FOUND = _entry(
    "TASK_NOT_FOUND", 404, "There is no such task", "No task of this workspace has that id."
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
