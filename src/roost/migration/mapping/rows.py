"""Rows of Roost's own, in a dump: what a backup of rows holds, and how it comes back."""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from roost.migration import ids
from roost.migration.context import Context, Raw
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
    kind: Kind
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
    sealed: dict[str, str]


def row(context: Context, key: str, source: object, raw: Raw, _label: str | None) -> Iterator[Item]:
    """The item of one row; one that is no such row is quarantined."""
    kind, shape, draw = _SHAPES[key]
    item = Item(key=key, kind=kind)
    try:
        found = msgspec.convert(source, shape, strict=True)
        draw(context, item, found, raw)
    except (msgspec.ValidationError, Base64Error) as error:
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
    values = {name: getattr(found, name) for name in found.__struct_fields__}
    said = [
        MessageDraft(
            each.id if target == found.id else ids.uuid5(f"{target}{each.id}".encode()),
            place,
            each.role,
            each.type,
            each.text,
            _encode(each.payload),
            each.created_at,
        )
        for place, each in enumerate(found.messages)
    ]
    item.draft = TaskDraft(
        **(values | {"id": target, "environment_id": environment, "messages": said})
    )


def _environment(context: Context, item: Item, found: _Environment, raw: Raw) -> None:
    target = _identified(context, item, found, raw)
    if item.verdict is not None:
        return
    context.add_environment(found.id, target)
    values = {name: getattr(found, name) for name in found.__struct_fields__ if name != "sealed"}
    secrets = {name: _sealed(text) for name, text in found.sealed.items()}
    item.draft = EnvironmentDraft(
        **(values | {"id": target, "is_active": False, "secrets": secrets})
    )


def _document(context: Context, item: Item, found: _Document, raw: Raw) -> None:
    target = _identified(context, item, found, raw)
    item.kind, item.source_id = found.kind, None  # it keeps its id, which a source's would not
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


def _named(context: Context, item: Item, name: str, found: Any, raw: Raw) -> None:  # noqa: ANN401 -- a row
    """Give what goes by its name the id of that; of two with one name the first counts."""
    identity = context.identify(item.kind, name, item.kind.value, msgspec.to_builtins(found), raw)
    item.source_id, item.target_id = safe(name)[0], identity.target_id
    if identity.duplicate:
        item.verdict, item.reason = Verdict.SKIP, "DUPLICATE"
    elif identity.warning:
        item.verdict, item.reason = Verdict.INVALID, identity.warning.code
        item.detail, item.raw, item.target_id = identity.warning.detail, bytes(raw), None


def _preference(context: Context, item: Item, found: _Preference, raw: Raw) -> None:
    _named(context, item, found.key, found, raw)
    if item.verdict is None:
        item.draft = PreferenceDraft(found.key, found.value)


def _secret(context: Context, item: Item, found: _Secret, raw: Raw) -> None:
    _named(context, item, found.name, found, raw)
    for text in found.sealed.values():
        if item.verdict is None:
            item.draft = SecretDraft(found.name, _sealed(text), found.name)


def _sealed(text: str) -> SealedText:
    return SealedText(b64decode(text, validate=True))


_SHAPES: Final[dict[str, tuple[Kind, type[Any], Any]]] = {
    KEYS["environment"]: (Kind.ENVIRONMENT, _Environment, _environment),
    KEYS["task"]: (Kind.TASK, _Task, _task),
    KEYS["document"]: (Kind.DOCUMENT, _Document, _document),
    KEYS["preference"]: (Kind.PREFERENCE, _Preference, _preference),
    KEYS["secret"]: (Kind.SECRET, _Secret, _secret),
}
