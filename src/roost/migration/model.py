"""What a migration is made of: its configuration, states, items, counts and progress."""

from enum import StrEnum
from typing import Annotated, Final

import msgspec

from roost.migration.drafts import Draft, Warn

BatchSize = Annotated[int, msgspec.Meta(ge=1, le=5000, description="items a transaction")]
MOST_ALIASES: Final = 1000
LONGEST_ALIAS: Final = 500
# PostgreSQL refuses NUL.
Alias = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_ALIAS, pattern="^[^\\x00]*$")]
Aliases = Annotated[
    list[Alias],
    msgspec.Meta(max_length=MOST_ALIASES, description="what the source calls its owner"),
]
RetryAttempts = Annotated[int, msgspec.Meta(ge=0, le=10, description="tries again, per batch")]


class ConflictResolution(StrEnum):
    """What happens to an item that the database already has with other content."""

    INTERACTIVE = "INTERACTIVE"
    AUTO_SKIP = "AUTO_SKIP"
    AUTO_OVERWRITE = "AUTO_OVERWRITE"
    AUTO_MERGE = "AUTO_MERGE"


class Resolution(StrEnum):
    """What is done about one conflict."""

    SKIP = "skip"
    OVERWRITE = "overwrite"
    MERGE = "merge"
    KEEP_BOTH = "keepBoth"


class Config(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """How a migration is to go; unknown options are refused by name."""

    conflict_resolution: ConflictResolution = ConflictResolution.INTERACTIVE
    backup_before_migration: bool = True
    validate_after_migration: bool = True
    continue_on_error: bool = False
    batch_size: BatchSize = 500
    retry_attempts: RetryAttempts = 3
    dry_run: bool = False
    review: bool = False
    aliases: Aliases = []


class State(StrEnum):
    """Where a migration stands."""

    RECEIVED = "received"
    PLANNED = "planned"
    AWAITING_RESOLUTION = "awaiting_resolution"
    APPLYING = "applying"
    VERIFYING = "verifying"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNDONE = "undone"


TRANSITIONS: Final[dict[State, frozenset[State]]] = {
    State.RECEIVED: frozenset(
        {
            State.PLANNED,
            State.AWAITING_RESOLUTION,
            State.APPLYING,
            State.FAILED,
            State.CANCELLED,
        }
    ),
    State.PLANNED: frozenset(
        {State.RECEIVED, State.AWAITING_RESOLUTION, State.APPLYING, State.FAILED, State.CANCELLED}
    ),
    # What was approved or resolved is planned again: the database may have changed meanwhile. What
    # is asked about after the rest was written is written next.
    State.AWAITING_RESOLUTION: frozenset(
        {State.RECEIVED, State.APPLYING, State.FAILED, State.CANCELLED}
    ),
    # Without validateAfterMigration there is nothing to verify.
    State.APPLYING: frozenset(
        {
            State.VERIFYING,
            State.AWAITING_RESOLUTION,
            State.COMPLETED,
            State.FAILED,
            State.CANCELLED,
        }
    ),
    State.VERIFYING: frozenset(
        {State.AWAITING_RESOLUTION, State.COMPLETED, State.FAILED, State.CANCELLED}
    ),
    State.COMPLETED: frozenset({State.UNDONE}),
    # With continueOnError a failed or cancelled run may have committed batches.
    State.FAILED: frozenset({State.UNDONE}),
    State.CANCELLED: frozenset({State.UNDONE}),
    # An undo can be undone.
    State.UNDONE: frozenset({State.COMPLETED, State.FAILED, State.CANCELLED}),
}

#: One of these at a time per user and workspace.
RUNNING: Final = frozenset({State.RECEIVED, State.APPLYING, State.VERIFYING})


def may_follow(current: State, following: State) -> bool:
    """Whether a migration in state `current` may go on to `following`."""
    return following in TRANSITIONS[current]


class Verdict(StrEnum):
    """What the plan does with an item: exactly one for each."""

    CREATE = "create"
    SAME = "same"
    UPDATE = "update"
    CONFLICT = "conflict"
    INVALID = "invalid"
    SKIP = "skip"


class Kind(StrEnum):
    """What an item is."""

    TASK = "task"
    MESSAGE = "message"
    ENVIRONMENT = "environment"
    DOCUMENT = "document"
    PREFERENCE = "preference"
    SECRET = "secret"  # noqa: S105  # a kind
    OFFLINE_WRITE = "offlineWrite"
    BACKUP = "backup"
    CACHE = "cache"
    PROBE = "probe"
    UNKNOWN = "unknown"


class Item(msgspec.Struct, kw_only=True, rename="camel", gc=False):
    """One thing found in the dump.

    Parsing leaves `verdict` empty where a draft waits for the plan, and sets it to INVALID or
    SKIP, with a `reason`, everywhere else. `offset` counts bytes of the key's UTF-8 text (of
    the decoded text, where the value was encoded twice). `raw` is the quarantined text. `content`
    is the draft as JSON text, and `digest` its SHA-256, once they were made.
    """

    key: str
    kind: Kind
    source_id: str | None = None
    target_id: str | None = None
    verdict: Verdict | None = None
    reason: str | None = None
    field: str | None = None
    detail: str | None = None
    offset: int | None = None
    position: int | None = None
    warnings: tuple[Warn, ...] = ()
    draft: Draft | None = None
    raw: bytes | None = None
    content: bytes | None = None
    digest: bytes | None = None


class Counts(msgspec.Struct, kw_only=True, rename="camel"):
    """Items by verdict (found is their sum), rows by what was done to them.

    `unresolved` are the conflicts that nobody has said what to do with, `other_user` the items of
    `skip` that are somebody else's.
    """

    found: int = 0
    create: int = 0
    same: int = 0
    update: int = 0
    conflict: int = 0
    invalid: int = 0
    skip: int = 0
    created: int = 0
    updated: int = 0
    unresolved: int = 0
    other_user: int = 0

    def add(self, verdict: Verdict) -> None:
        """Count one more item with this verdict."""
        self.found += 1
        setattr(self, verdict.value, getattr(self, verdict.value) + 1)


class Progress(msgspec.Struct, kw_only=True, rename="camel"):
    """How far a running migration is; `done` counts committed items only."""

    phase: State
    done: int = 0
    total: int = 0
    items_per_second: float | None = None
    eta_seconds: float | None = None
    current_key: str | None = None


class KeyReport(msgspec.Struct, kw_only=True, rename="camel"):
    """What became of one key: its receipt's hash and its items by outcome.

    `planned + invalid + skipped == found`; a key with no item says why in `note`.
    """

    key: str
    sha256: str
    bytes: int
    kind: Kind
    found: int = 0
    planned: int = 0
    invalid: int = 0
    skipped: int = 0
    note: str | None = None
    version: str | None = None
    warnings: tuple[Warn, ...] = ()
