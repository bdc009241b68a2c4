"""Every localStorage key that is known: exact names and anchored prefixes, nothing vaguer.

A key that contains "form" or "temp" says nothing; a key that begins with `form-draft-` does.
"""

from enum import Enum, auto
from typing import Final

import msgspec

from roost.migration.mapping.rows import KEYS as ROW_KEYS
from roost.migration.mapping.rows import NAMES as ROW_NAMES
from roost.migration.model import Kind


class Handler(Enum):
    """Who reads a key's value."""

    TASKS = auto()
    ENVIRONMENTS = auto()
    SESSIONS = auto()
    PREFERENCE = auto()
    DOCUMENT = auto()
    OFFLINE_WRITES = auto()
    SECRET = auto()
    ROWS = auto()
    BACKUP = auto()
    SKIP = auto()
    UNKNOWN = auto()


class Rule(msgspec.Struct, frozen=True):
    """What to do with a key; `names` are the list's possible names within a store."""

    handler: Handler
    kind: Kind
    names: tuple[str, ...] = ()
    reason: str | None = None


_TASKS: Final = Rule(Handler.TASKS, Kind.TASK, ("tasks",))
_ENVIRONMENTS: Final = Rule(Handler.ENVIRONMENTS, Kind.ENVIRONMENT, ("environments", "envs"))
_PREFERENCE: Final = Rule(Handler.PREFERENCE, Kind.PREFERENCE)
_DRAFT: Final = Rule(Handler.DOCUMENT, Kind.DOCUMENT)
_WRITES: Final = Rule(Handler.OFFLINE_WRITES, Kind.OFFLINE_WRITE)
_SECRET: Final = Rule(Handler.SECRET, Kind.SECRET)
_CACHE: Final = Rule(Handler.SKIP, Kind.CACHE, reason="CACHE")
_PROBE: Final = Rule(Handler.SKIP, Kind.PROBE, reason="PROBE")
_STATE: Final = Rule(Handler.SKIP, Kind.PROBE, reason="OLD_MIGRATION_STATE")
_TOOL: Final = Rule(Handler.SKIP, Kind.CACHE, reason="INTERFACE_STATE")
_FUNCTION: Final = Rule(Handler.SKIP, Kind.PROBE, reason="FUNCTION_SOURCE")
_INDEX: Final = Rule(Handler.SKIP, Kind.CACHE, reason="REBUILDABLE_INDEX")
_UNKNOWN: Final = Rule(Handler.UNKNOWN, Kind.UNKNOWN)
_TASKS_BACKUP: Final = Rule(Handler.BACKUP, Kind.BACKUP, ("tasks",))
_ENVIRONMENTS_BACKUP: Final = Rule(Handler.BACKUP, Kind.BACKUP, ("environments",))

#: What a reason for leaving something out means, for reports.
REASONS: Final = {
    "CACHE": "a cache of what lies elsewhere",
    "PROBE": "written by the app to try the storage",
    "OLD_MIGRATION_STATE": "the progress of another migration tool",
    "INTERFACE_STATE": "where a panel stood; nothing of the owner's work",
    "FUNCTION_SOURCE": "a function's source, stored by a defect of the app",
    "REBUILDABLE_INDEX": "an index that is built anew from its documents",
    "BACKUP_COPY": "a copy; every item of it is in the store itself",
    "DUPLICATE": "equal to an item before it",
    "OTHER_USER": "belongs to another user",
}

EXACT: Final[dict[str, Rule]] = {
    **dict.fromkeys(
        ("task-store", "claude-docker-task-store", "tasks", "taskStore", "task-data"), _TASKS
    ),
    "tasks-storage": _TASKS,
    **dict.fromkeys(("environments", "envs", "environment-store", "env-data"), _ENVIRONMENTS),
    "sessions-store": Rule(Handler.SESSIONS, Kind.DOCUMENT, ("sessions",)),
    **dict.fromkeys(
        ("user-storage", "font-settings", "recent_repos", "theme", "autoSave"), _PREFERENCE
    ),
    **dict.fromkeys(("realTimeUpdates", "notifications", "projectsViewMode"), _PREFERENCE),
    "github-cache-storage": _CACHE,
    **dict.fromkeys(("task-store-backup", "preserved-tasks"), _TASKS_BACKUP),
    **dict.fromkeys(("environments-backup", "preserved-environments"), _ENVIRONMENTS_BACKUP),
    **dict.fromkeys(("migration-state", "migration-progress", "migration-mode"), _STATE),
    **dict.fromkeys(("migration-completed", "migration-status"), _STATE),
    "_migration_test": _PROBE,
    **dict.fromkeys(
        ("electric_offline_queue", "electric-offline-queue", "electric:offline-queue"), _WRITES
    ),
    **dict.fromkeys(("electric_auth_token", "electric-auth"), _SECRET),
    **dict.fromkeys(("openai-token", "anthropic-token", "github_access_token"), _SECRET),
    "ambient-agent-visualization-state": _TOOL,
    **{
        ROW_KEYS[table]: Rule(Handler.ROWS, kind, ROW_NAMES)
        for table, kind in (
            ("environment", Kind.ENVIRONMENT),
            ("task", Kind.TASK),
            ("document", Kind.DOCUMENT),
            ("preference", Kind.PREFERENCE),
            ("secret", Kind.SECRET),
        )
    },
    **dict.fromkeys(("setItem", "getItem", "removeItem", "clear"), _FUNCTION),
}

ENVIRONMENT_KEYS: Final = tuple(key for key, rule in EXACT.items() if rule.kind is Kind.ENVIRONMENT)
"""The keys under which environments come."""
PREFIXES: Final[tuple[tuple[str, Rule], ...]] = (
    ("github_cache_", _CACHE),
    ("cache_", _CACHE),
    ("TanstackQueryDevtools.", _TOOL),
    ("kanban-columns-", _PREFERENCE),
    ("_health_check_", _PROBE),
    ("vector-index-", _INDEX),
    ("secure_", _SECRET),
    ("form-draft-", _DRAFT),
    ("react-hook-form-", _DRAFT),
    ("autosave", _DRAFT),
    ("formik", _DRAFT),
)


def rule_for(key: str) -> Rule:
    """The rule of a key; unknown keys have one too."""
    rule = EXACT.get(key)
    if rule is not None:
        return rule
    for prefix, prefixed in PREFIXES:
        if key.startswith(prefix):
            return prefixed
    return _UNKNOWN
