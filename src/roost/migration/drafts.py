"""Rows as they are to be written, before the database has been asked.

They hold trees, never cycles, so the garbage collector need not walk them (`gc=False`).

Times are aware datetimes in UTC. Text is safe for PostgreSQL (no NUL, no lone surrogate).
`assumed` names the columns whose value the source did not give and which depend on the time
of the import: comparing two migrations leaves them out.
"""

from datetime import datetime
from typing import Any, Literal

import msgspec

TaskStatus = Literal[
    "pending",
    "in_progress",
    "paused",
    "blocked",
    "in_review",
    "completed",
    "failed",
    "cancelled",
]
Priority = Literal["low", "medium", "high", "urgent"]
Role = Literal["user", "assistant", "system", "tool"]


class Warn(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Something the owner should know of an item that was kept all the same."""

    code: str
    field: str | None = None
    detail: str | None = None


class PullRequest(msgspec.Struct, kw_only=True, rename="camel", gc=False):
    """What is kept of GitHub's pull request in the task's own column."""

    number: int | None = None
    url: str | None = None
    state: str | None = None
    merged: bool | None = None
    head_ref: str | None = None
    head_sha: str | None = None
    base_ref: str | None = None
    author: str | None = None


class MessageDraft(msgspec.Struct, gc=False):
    """One message; `payload` is the source's own item as JSON text, always an object."""

    id: str
    position: int
    role: Role
    type: str
    text: str
    payload: bytes
    created_at: datetime | None = None


class TaskDraft(msgspec.Struct, kw_only=True, gc=False):
    """One task with its conversation."""

    id: str
    title: str
    description: str
    status: TaskStatus
    priority: Priority = "medium"
    mode: Literal["code", "ask"] = "code"
    environment_id: str | None = None
    repository: str | None = None
    branch: str | None = None
    labels: list[str] = msgspec.field(default_factory=list)
    due_at: datetime | None = None
    completed_at: datetime | None = None
    archived_at: datetime | None = None
    status_message: str | None = None
    has_changes: bool = False
    pull_request: PullRequest | None = None
    position: float | None = None
    metadata: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    messages: list[MessageDraft]
    assumed: tuple[str, ...] = ()


class SealedText(msgspec.Struct, frozen=True, gc=False):
    """A secret that came sealed, by this server's own keys."""

    token: bytes


class EnvironmentDraft(msgspec.Struct, kw_only=True, gc=False):
    """One environment; `secrets` go to encrypted storage and nowhere else."""

    id: str
    name: str
    description: str
    repository: str | None
    config: dict[str, Any]
    is_active: bool
    secrets: dict[str, str | SealedText]
    created_at: datetime
    updated_at: datetime
    assumed: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Show the names of the secrets, never their values."""
        return f"EnvironmentDraft(id={self.id!r}, name={self.name!r}, secrets={[*self.secrets]!r})"


class DocumentDraft(msgspec.Struct, kw_only=True, gc=False):
    """Text kept verbatim; `encoding` is base64 when PostgreSQL's text could not hold it."""

    id: str
    key: str
    sub_id: str
    raw: str
    content_type: Literal["application/json", "text/plain"]
    encoding: Literal["text", "base64"] = "text"


class PreferenceDraft(msgspec.Struct):
    """A setting of the user."""

    key: str
    value: Any


class SecretDraft(msgspec.Struct):
    """A credential found under a key of its own."""

    name: str
    value: str | SealedText
    key: str

    def __repr__(self) -> str:
        """Show the name, never the value."""
        return f"SecretDraft(name={self.name!r}, key={self.key!r})"


Draft = TaskDraft | EnvironmentDraft | DocumentDraft | PreferenceDraft | SecretDraft
