"""What is kept verbatim: unknown keys, form drafts, whatever lies beside a store's list."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Final, Literal

from roost.migration import ids
from roost.migration.context import Context, Raw
from roost.migration.credentials import credentials_in, credentials_of
from roost.migration.drafts import DocumentDraft, SecretDraft, Warn
from roost.migration.inspection import inspect_document
from roost.migration.model import Item, Kind, Verdict
from roost.migration.reader import MalformedError, read
from roost.migration.text import is_safe, redact, safe, secrets_in

_LONGEST_LIST: Final = 2_000


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


def kept(  # noqa: PLR0913
    context: Context,
    key: str,
    raw: bytes,
    *,
    name: str = "",
    sub_id: str = "",
    kind: Kind = Kind.DOCUMENT,
    offset: int | None = None,
    warnings: tuple[Warn, ...] = (),
) -> Item:
    """`raw` as a document, or sealed as a whole when a credential is in it; `name` is its field."""
    found = credentials_of(name, raw)
    if found:
        return sealed(context, key, raw, found, sub_id=sub_id, offset=offset, warnings=warnings)
    warnings += inspect_document(raw)
    return document(context, key, raw, sub_id=sub_id, kind=kind, offset=offset, warnings=warnings)


def sealed(  # noqa: PLR0913
    context: Context,
    key: str,
    raw: bytes,
    found: Sequence[str],
    *,
    sub_id: str = "",
    offset: int | None = None,
    warnings: tuple[Warn, ...] = (),
) -> Item:
    """`raw` in encrypted storage; `found` says where in it credentials are (`""`: it is one)."""
    text, encoding = verbatim(raw)
    if encoding == "base64":
        warnings += (Warn("KEPT_AS_BASE64", None, "has characters that PostgreSQL refuses"),)
    warnings += (encrypted(found),)
    return Item(
        key=key,
        kind=Kind.SECRET,
        source_id=(sub_id or key)[:255],
        target_id=ids.legacy(context.owner, key, ["secret", sub_id] if sub_id else "secret"),
        offset=offset,
        warnings=warnings,
        draft=SecretDraft(f"{key}:{sub_id}" if sub_id else key, text, key),
    )


def to_seal(raw: bytes) -> tuple[Warn, ...]:
    """Why a text of no known shape can't be kept in the open; empty when it can."""
    found = credentials_of("", raw) or secrets_in(raw)
    return (encrypted(found),) if found else ()


def encrypted(found: Sequence[str]) -> Warn:
    """Say that what holds these credentials is in encrypted storage."""
    return Warn("SECRET_ENCRYPTED", None, f"{to_rotate(found)}; kept in encrypted storage")


def to_rotate(found: Sequence[str]) -> str:
    """Which credentials their owner has to make anew, by where they are."""
    places = safe(", ".join(redact(each) for each in found if each))[0]
    if len(places) > _LONGEST_LIST:
        places = f"{places[:_LONGEST_LIST]}\u2026 ({len(found)} in all)"
    return f"rotate these: {places}" if places else "rotate it"


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
    warnings = (identity.warning,) if identity.warning else ()
    found = list(credentials_in("", value))
    if found:
        place = identity.target_id
        item = sealed(context, key, bytes(raw), found, sub_id=place, warnings=warnings)
    else:
        item = document(
            context,
            key,
            bytes(raw),
            sub_id=identity.source_id or identity.target_id,
            target_id=identity.target_id,
            kind=kind,
            warnings=warnings,
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
