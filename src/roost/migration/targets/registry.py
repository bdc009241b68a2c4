"""Which target an item goes to."""

from typing import Final

from roost.migration.drafts import (
    DocumentDraft,
    EnvironmentDraft,
    PreferenceDraft,
    SecretDraft,
    TaskDraft,
)
from roost.migration.model import Item, Kind
from roost.migration.targets.documents import DocumentTarget
from roost.migration.targets.environments import EnvironmentTarget
from roost.migration.targets.kept_secrets import KeptSecretTarget
from roost.migration.targets.preferences import PreferenceTarget
from roost.migration.targets.target import Target
from roost.migration.targets.tasks import TaskTarget

# Environments before the tasks that name them.
ORDER: Final = ("environment", "task", "document", "preference", "secret")
_TABLES: Final[dict[type, str]] = {
    TaskDraft: "task",
    EnvironmentDraft: "environment",
    DocumentDraft: "document",
    PreferenceDraft: "preference",
    SecretDraft: "secret",
}
_KIND_TABLES: Final = {
    Kind.TASK: "task",
    Kind.ENVIRONMENT: "environment",
    Kind.PREFERENCE: "preference",
    Kind.SECRET: "secret",
}


class Targets:
    """One of each target, for one migration."""

    def __init__(self) -> None:
        self.preferences = PreferenceTarget()
        self._by_name: dict[str, Target] = {
            "task": TaskTarget(),
            "environment": EnvironmentTarget(),
            "document": DocumentTarget(),
            "preference": self.preferences,
            "secret": KeptSecretTarget(),
        }

    def __getitem__(self, table: str) -> Target:
        """The target of a table's name."""
        return self._by_name[table]


def table_of(item: Item) -> str:
    """The name of the table an item's draft goes to."""
    return _TABLES[type(item.draft)]


def kind_table(kind: str) -> str:
    """The name of the table that items of this kind go to; what is quarantined goes elsewhere."""
    return _KIND_TABLES.get(Kind(kind), "document")
