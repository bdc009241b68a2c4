"""What is kept verbatim: unknown keys, form drafts, whatever lies beside a store's list."""

from base64 import b64encode
from typing import Literal

from roost.migration import ids
from roost.migration.context import Context, Raw
from roost.migration.drafts import DocumentDraft, Warn
from roost.migration.model import Item, Kind, Verdict
from roost.migration.reader import MalformedError, read
from roost.migration.text import is_safe


def document(  # noqa: PLR0913
    context: Context,
    key: str,
    raw: bytes,
    *,
    sub_id: str = "",
    target_id: str | None = None,
    kind: Kind = Kind.DOCUMENT,
    offset: int | None = None,
    warnings: tuple[Warn, ...] = (),
) -> Item:
    """`raw` as an item whose draft gives back exactly these bytes."""
    text, encoding = verbatim(raw)
    if encoding == "base64":
        warnings += (Warn("KEPT_AS_BASE64", None, "has characters that PostgreSQL refuses"),)
    draft = DocumentDraft(
        id=target_id or ids.legacy(context.owner, key, ["document", sub_id]),
        key=key,
        sub_id=sub_id,
        raw=text,
        content_type="application/json" if is_json(raw) else "text/plain",
        encoding=encoding,
    )
    return Item(
        key=key,
        kind=kind,
        source_id=sub_id[:255] or None,
        target_id=draft.id,
        offset=offset,
        warnings=warnings,
        draft=draft,
    )


def member(  # noqa: PLR0913
    context: Context,
    key: str,
    value: object,
    raw: Raw,
    *,
    source_id: object,
    kind: Kind = Kind.DOCUMENT,
) -> Item:
    """One member of a list that is kept member by member; its equal twin is left out."""
    identity = context.identify(kind, key, source_id, value, raw)
    if identity.duplicate:
        item = Item(key=key, kind=kind, source_id=identity.source_id, field="id")
        item.target_id = identity.target_id
        item.verdict, item.reason = Verdict.SKIP, "DUPLICATE"
        return item
    item = document(
        context,
        key,
        bytes(raw),
        sub_id=identity.source_id or identity.target_id,
        target_id=identity.target_id,
        kind=kind,
        warnings=(identity.warning,) if identity.warning else (),
    )
    item.source_id = identity.source_id
    return item


def verbatim(raw: bytes) -> tuple[str, Literal["text", "base64"]]:
    """Text that PostgreSQL can hold and that gives `raw` back."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return b64encode(raw).decode(), "base64"
    return (text, "text") if is_safe(text) else (b64encode(raw).decode(), "base64")


def is_json(raw: bytes) -> bool:
    """Whether `raw` is a JSON object or list."""
    if raw.lstrip()[:1] not in (b"{", b"["):
        return False
    try:
        read(raw)
    except MalformedError:
        return False
    return True
