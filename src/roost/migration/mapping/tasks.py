"""Tasks of `task-store` and its relatives, in every historic shape."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from roost.migration import dates
from roost.migration.context import Context, Raw
from roost.migration.credentials import is_secret_field
from roost.migration.drafts import Priority, PullRequest, TaskDraft, TaskStatus, Warn
from roost.migration.ids import own_uuid
from roost.migration.mapping import fields, messages, pull_requests
from roost.migration.mapping.documents import document
from roost.migration.model import Item, Kind, Verdict

STATUSES: Final[dict[str, TaskStatus]] = {
    "in_progress": "in_progress",
    "running": "in_progress",
    "completed": "completed",
    "done": "completed",
    "merged": "completed",
    "paused": "paused",
    "cancelled": "cancelled",
    "canceled": "cancelled",
    "failed": "failed",
    "error": "failed",
    "pending": "pending",
    "todo": "pending",
    "blocked": "blocked",
    "in_review": "in_review",
    "review": "in_review",
}
PRIORITIES: Final[dict[str, Priority]] = {
    "low": "low",
    "medium": "medium",
    "normal": "medium",
    "high": "high",
    "urgent": "urgent",
    "critical": "urgent",
}
_MAPPED: Final = frozenset(
    {
        *("id", "title", "description", "messages", "status", "branch", "repository", "mode"),
        *("statusMessage", "hasChanges", "isArchived", "pullRequest", "createdAt", "updatedAt"),
        *("priority", "labels", "tags", "dueDate", "dueAt", "environmentId", "userId"),
    }
)
_TELLING: Final = frozenset({"id", "title", "description", "messages", "status"})
MAX_LABELS: Final = 50
_MAX_LABEL: Final = 100
UNTITLED: Final = "Untitled"


def task(
    context: Context, key: str, source: dict[str, Any], raw: Raw, label: str | None
) -> Iterator[Item]:
    """The item of one stored task, and documents for texts too long for a row."""
    if not source.keys() & _TELLING:
        yield _refused(key, source, raw)
        return
    source_id = source.get("id")
    identity = context.identify(
        Kind.TASK, key, label if source_id is None else source_id, source, raw
    )
    item = Item(key=key, kind=Kind.TASK, source_id=identity.source_id, target_id=identity.target_id)
    if context.is_foreign(source.get("userId")):
        fields.leave_to(item, source["userId"])
    elif identity.duplicate:
        item.verdict, item.reason, item.field = Verdict.SKIP, "DUPLICATE", "id"
    else:
        mapping = _Mapping(context, key, source, identity.target_id)
        if label is not None and source_id is None:
            mapping.legacy["id"] = label
        if identity.warning is not None:
            mapping.warnings.append(identity.warning)
        item.draft = mapping.draft()
        item.warnings = tuple(mapping.warnings)
        yield item
        yield from mapping.overflow
        return
    yield item


def _refused(key: str, source: dict[str, Any], raw: Raw) -> Item:
    return Item(
        key=key,
        kind=Kind.TASK,
        verdict=Verdict.INVALID,
        reason="NOT_A_TASK",
        detail=f"has {len(source)} fields, none of which a task has",
        raw=bytes(raw),
    )


class _Mapping:
    """One task on its way; collects warnings, legacy fields and overlong texts."""

    def __init__(self, context: Context, key: str, source: dict[str, Any], task_id: str) -> None:
        self.context = context
        self.key = key
        self.source = source
        self.id = task_id
        self.warnings: list[Warn] = []
        self.legacy: dict[str, Any] = {}
        self.overflow: list[Item] = []

    def draft(self) -> TaskDraft:
        source, legacy, warnings = self.source, self.legacy, self.warnings
        for name in source.keys() - _MAPPED:
            if source[name] is not None and source[name] != "":
                legacy[name] = source[name]
                if is_secret_field(name):
                    detail = "is called like a credential: rotate it; kept as it was"
                    warnings.append(Warn("SECRET_IN_TEXT", name, detail))
        if own_uuid(source.get("id")) != self.id and source.get("id") is not None:
            legacy["id"] = source["id"]
        span = fields.span(source, self.context.imported_at, legacy, warnings)
        status = self._status()
        made, odd = messages.drafts(self.id, source.get("messages"), self.context.imported_at)
        warnings.extend(odd)
        description = self._description()
        title = self._title(made, description)
        if title[1] and not description:
            description = self._bounded("title", title[1])
        return TaskDraft(
            id=self.id,
            title=title[0],
            description=description,
            status=status,
            priority=self._priority(),
            mode=self._mode(),  # type: ignore[arg-type]
            environment_id=self._environment(),
            repository=fields.line(source, "repository", legacy, warnings),
            branch=fields.line(source, "branch", legacy, warnings),
            labels=self._labels(),
            due_at=self._due(),
            completed_at=span.updated_at if status == "completed" else None,
            archived_at=span.updated_at
            if fields.flag(source, "isArchived", legacy, warnings)
            else None,
            status_message=fields.line(source, "statusMessage", legacy, warnings),
            has_changes=fields.flag(source, "hasChanges", legacy, warnings),
            pull_request=self._pull_request(),
            metadata={"legacy": legacy, "source": self.key},
            created_at=span.created_at,
            updated_at=span.updated_at,
            messages=made,
            assumed=span.assumed,
        )

    def _status(self) -> TaskStatus:
        raw = self.source.get("status")
        if type(raw) is str and raw:
            known = STATUSES.get(raw.strip().lower().replace("-", "_").replace(" ", "_"))
            if known is not None:
                if raw.strip().lower() == "merged":
                    self.legacy["status"] = raw
                return known
        if raw is None or raw == "":
            self.warnings.append(Warn("STATUS_MISSING", "status"))
        else:
            self.legacy["status"] = raw
            self.warnings.append(Warn("UNKNOWN_STATUS", "status", fields.shown(raw)))
        return "pending"

    def _title(self, made: list[Any], description: str) -> tuple[str, str | None]:
        """The title, and the whole of it where it had to be cut."""
        raw = self.source.get("title")
        if type(raw) is str and (text := raw.strip()):
            if len(text) <= fields.MAX_NAME:
                if text is not raw and text != raw:
                    self.legacy["title"] = raw
                return text, None
            self.warnings.append(Warn("TITLE_SHORTENED", "title", f"{len(raw)} characters"))
            self._keep_whole("title", raw)
            return fields.short(" ".join(text[:2000].split())), raw
        if raw is None or raw == "":
            self.warnings.append(Warn("TITLE_MISSING", "title"))
        else:
            self.legacy["title"] = raw
            code = "TITLE_MISSING" if type(raw) is str else "WRONG_TYPE"
            self.warnings.append(Warn(code, "title"))
        said = next((each.text for each in made if each.role == "user" and each.text.strip()), "")
        words = " ".join((description.strip() or said)[:2000].split())
        return fields.short(words) if words else UNTITLED, None

    def _description(self) -> str:
        raw = self.source.get("description")
        if type(raw) is str:
            if len(raw) > fields.MAX_DESCRIPTION:
                self._keep_whole("description", raw)
            return self._bounded("description", raw)
        if raw is not None:
            self.legacy["description"] = raw
            self.warnings.append(Warn("WRONG_TYPE", "description"))
        return ""

    def _bounded(self, name: str, text: str) -> str:
        if len(text) <= fields.MAX_DESCRIPTION:
            return text
        self.warnings.append(Warn("DESCRIPTION_SHORTENED", name, f"{len(text)} characters"))
        return text[: fields.MAX_DESCRIPTION]

    def _keep_whole(self, name: str, text: str) -> None:
        """Keep an overlong text: with the task as long as it is bearable, else as a document."""
        if len(text) <= fields.MAX_DESCRIPTION:
            self.legacy[name] = text
            return
        sub_id = f"{self.id}/{name}"
        kept = document(self.context, self.key, text.encode(), sub_id=sub_id)
        self.overflow.append(kept)
        self.legacy[name] = {"document": kept.target_id, "characters": len(text)}

    def _priority(self) -> Priority:
        raw = self.source.get("priority")
        if raw is None or raw == "":
            return "medium"
        known = PRIORITIES.get(raw.strip().lower()) if type(raw) is str else None
        if known is None:
            self.legacy["priority"] = raw
            self.warnings.append(Warn("UNKNOWN_PRIORITY", "priority", fields.shown(raw)))
        return known or "medium"

    def _mode(self) -> str:
        raw = self.source.get("mode")
        if raw in ("code", "ask"):
            return str(raw)
        if raw is not None and raw != "":
            self.legacy["mode"] = raw
            self.warnings.append(Warn("UNKNOWN_MODE", "mode", fields.shown(raw)))
        return "code"

    def _environment(self) -> str | None:
        raw = self.source.get("environmentId")
        if raw is None or raw == "":
            return None
        found = self.context.environment(raw)
        if found is None:
            self.legacy["environmentId"] = raw
            self.warnings.append(Warn("ENVIRONMENT_NOT_FOUND", "environmentId"))
        return found

    def _labels(self) -> list[str]:
        labels: list[str] = []
        for name in ("labels", "tags"):
            raw = self.source.get(name)
            if raw is None or raw == []:
                continue
            good = isinstance(raw, list) and all(
                type(each) is str and 0 < len(each.strip()) <= _MAX_LABEL for each in raw
            )
            if not good or len(raw) > MAX_LABELS:
                self.legacy[name] = raw
                self.warnings.append(Warn("WRONG_TYPE", name))
            if isinstance(raw, list):
                kept = (each.strip()[:_MAX_LABEL] for each in raw if type(each) is str)
                labels.extend(each for each in kept if each)
        return list(dict.fromkeys(labels))[:MAX_LABELS]

    def _due(self) -> datetime | None:
        for name in ("dueAt", "dueDate"):
            raw = self.source.get(name)
            moment, code = dates.parse(raw, self.context.imported_at)
            if code not in (None, dates.FUTURE):
                self.warnings.append(Warn(str(code), name))
            if moment is not None:
                return moment
            if code is not None:
                self.legacy[name] = raw
        return None

    def _pull_request(self) -> PullRequest | None:
        raw = self.source.get("pullRequest")
        if raw is None:
            return None
        draft, rest, cut = pull_requests.reduced(raw)
        if rest is not None:
            self.legacy["pullRequest"] = rest
        if draft is None:
            self.warnings.append(Warn("WRONG_TYPE", "pullRequest"))
            return None
        if cut:
            self.warnings.append(Warn("REPOSITORY_DETAILS_DROPPED", "pullRequest"))
        if draft.merged is None and self.legacy.get("status"):
            draft.merged = str(self.legacy["status"]).lower() == "merged" or None
        return draft
