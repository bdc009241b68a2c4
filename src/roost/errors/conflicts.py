"""Problems of what is in the way of a change."""

from roost.errors.catalogue import entry as _entry

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
