"""Rows of Roost's own, in a dump: what a backup of rows holds, and how it comes back."""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from roost.migration import ids
from roost.migration.context import Context, Raw
from roost.migration.dates import NO_ZONE
from roost.migration.drafts import (
    DocumentDraft,
    EnvironmentDraft,
    MessageDraft,
    PreferenceDraft,
    Priority,
    PullRequest,
    Role,
    SealedText,
    SecretDraft,
    TaskDraft,
    TaskStatus,
    Warn,
)
from roost.migration.mapping.fields import shown
from roost.migration.model import Item, Kind, Verdict
from roost.migration.text import safe

KEYS: Final = {
    "environment": "roost:environments",
    "task": "roost:tasks",
    "document": "roost:documents",
    "preference": "roost:preferences",
    "secret": "roost:secrets",
}
"""The key of each table's rows in such a dump."""
NAMES: Final = ("rows",)
_encode: Final = msgspec.json.Encoder().encode
_Name = Annotated[str, Meta(min_length=1, max_length=255)]
_Line = Annotated[str, Meta(max_length=255)] | None


def as_keys(rows: Mapping[str, Sequence[Any]]) -> dict[str, str]:
    """The rows, by table, as the keys of a dump."""
    return {
        KEYS[table]: _encode({"state": {"rows": contents}, "version": 0}).decode()
        for table, contents in rows.items()
    }


_Id = Annotated[str, Meta(pattern="^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]


class _Row(msgspec.Struct, rename="camel", kw_only=True):
    id: _Id


class _RefusedError(Exception):
    """A row has the right form and can't be taken; the message says why."""


class _Message(_Row, kw_only=True):
    position: int
    role: Role
    type: Annotated[str, Meta(max_length=100)]
    text: str
    payload: dict[str, Any]
    created_at: datetime | None = None


class _Task(_Row, kw_only=True):
    title: _Name
    description: Annotated[str, Meta(max_length=100_000)]
    status: TaskStatus
    priority: Priority
    mode: Literal["code", "ask"]
    environment_id: str | None = None
    repository: _Line = None
    branch: _Line = None
    labels: list[str]
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
    messages: list[_Message]


class _Environment(_Row, kw_only=True):
    name: _Name
    description: Annotated[str, Meta(max_length=100_000)]
    repository: _Line = None
    config: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    sealed: dict[str, str] = {}


class _Document(_Row, kw_only=True):
    # Not those kinds that have rows of their own: they would be looked for there.
    kind: Literal["document", "message", "offlineWrite", "backup", "cache", "probe", "unknown"]
    key: str
    sub_id: str
    content: str
    content_type: Literal["application/json", "text/plain"]
    encoding: Literal["text", "base64"]


class _Preference(_Row, kw_only=True):
    key: str
    value: Any


class _Secret(_Row, kw_only=True):
    name: str
    sealed: Annotated[dict[str, str], Meta(min_length=1, max_length=1)]


def row(context: Context, key: str, source: object, raw: Raw, _label: str | None) -> Iterator[Item]:
    """The item of one row; one that is no such row is quarantined."""
    kind, shape, draw = _SHAPES[key]
    item = Item(key=key, kind=kind)
    try:
        found = msgspec.convert(source, shape, strict=True)
        draw(context, item, found, raw)
    except (msgspec.ValidationError, Base64Error, OverflowError, _RefusedError) as error:
        item.verdict, item.reason = Verdict.INVALID, "NOT_A_ROW"
        item.detail, item.raw, item.draft = str(error)[:300], bytes(raw), None
        item.target_id = None
    yield item


def _identified(context: Context, item: Item, found: Any, raw: Raw) -> str:  # noqa: ANN401 -- a row
    value = msgspec.to_builtins(found)
    identity = context.identify(item.kind, item.key, found.id, value, raw)
    item.source_id, item.target_id = identity.source_id, identity.target_id
    if identity.duplicate:
        item.verdict, item.reason, item.field = Verdict.SKIP, "DUPLICATE", "id"
    if identity.warning:
        item.warnings += (identity.warning,)
    return identity.target_id


def _task(context: Context, item: Item, found: _Task, raw: Raw) -> None:
    target = _identified(context, item, found, raw)
    if item.verdict is not None:
        return
    environment = context.environment(found.environment_id or "")
    if found.environment_id and environment is None:
        item.warnings += (Warn("ENVIRONMENT_NOT_FOUND", "environmentId"),)
    said = [
        MessageDraft(
            each.id if target == found.id else ids.uuid5(f"{target}{each.id}".encode()),
            place,
            each.role,
            each.type,
            each.text,
            _encode(each.payload),
            _in_utc(item, "createdAt", each.created_at),
        )
        for place, each in enumerate(found.messages)
    ]
    values = _values(item, found)
    item.draft = TaskDraft(
        **(values | {"id": target, "environment_id": environment, "messages": said})
    )


def _environment(context: Context, item: Item, found: _Environment, raw: Raw) -> None:
    target = _identified(context, item, found, raw)
    if item.verdict is not None:
        return
    secrets = {name: _sealed(context, text) for name, text in found.sealed.items()}
    context.add_environment(found.id, target)
    values = _values(item, found)
    del values["sealed"]
    item.draft = EnvironmentDraft(
        **(values | {"id": target, "is_active": False, "secrets": secrets})
    )


def _values(item: Item, found: _Row) -> dict[str, Any]:
    """A row's fields, its moments in UTC."""
    return {
        name: _in_utc(item, wire, getattr(found, name))
        for name, wire in zip(found.__struct_fields__, found.__struct_encode_fields__, strict=True)
    }


def _in_utc(item: Item, name: str, value: Any) -> Any:  # noqa: ANN401 -- any field
    """A moment in UTC, which one without a zone is taken to be in; anything else as it is."""
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        item.warnings += (Warn(NO_ZONE, name),)
        return value.replace(tzinfo=UTC)
    return value.astimezone(UTC)


def _document(context: Context, item: Item, found: _Document, raw: Raw) -> None:
    target = _identified(context, item, found, raw)
    # It keeps its id, which a source's would not.
    item.kind, item.source_id = Kind(found.kind), None
    if item.verdict is not None:
        return
    item.draft = DocumentDraft(
        id=target,
        key=found.key,
        sub_id=found.sub_id,
        raw=found.content,
        content_type=found.content_type,
        encoding=found.encoding,
    )


def _is_first(context: Context, item: Item, name: str, value: object) -> bool:
    """Whether nothing came before by that name, whose id it gets.

    An equal one is left out; another is refused.
    """
    item.source_id = safe(name)[0]
    item.target_id = ids.legacy(context.owner, name, item.kind.value)
    identity = context.claim(item.kind, name, value)
    if identity.duplicate:
        item.verdict, item.reason, item.field = Verdict.SKIP, "DUPLICATE", "id"
    elif identity.warning is not None:
        message = f"{shown(name)} came before with other content"
        raise _RefusedError(message)
    return not identity.duplicate


def _preference(context: Context, item: Item, found: _Preference, _raw: Raw) -> None:
    if _is_first(context, item, found.key, found.value):
        item.draft = PreferenceDraft(found.key, found.value)


def _secret(context: Context, item: Item, found: _Secret, _raw: Raw) -> None:
    [text] = found.sealed.values()
    if _is_first(context, item, found.name, text):
        item.draft = SecretDraft(found.name, _sealed(context, text), found.name)


def _sealed(context: Context, text: str) -> SealedText:
    token = b64decode(text, validate=True)
    if not context.opens(token):
        message = "sealed: none of this server's keys opens it; add its own to ROOST_SECRET_KEYS"
        raise _RefusedError(message)
    return SealedText(token)


_SHAPES: Final[dict[str, tuple[Kind, type[Any], Any]]] = {
    KEYS["environment"]: (Kind.ENVIRONMENT, _Environment, _environment),
    KEYS["task"]: (Kind.TASK, _Task, _task),
    KEYS["document"]: (Kind.DOCUMENT, _Document, _document),
    KEYS["preference"]: (Kind.PREFERENCE, _Preference, _preference),
    KEYS["secret"]: (Kind.SECRET, _Secret, _secret),
}
