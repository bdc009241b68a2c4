"""Keys whose value is one thing: preferences, form drafts, credentials, unknown ones."""

from collections.abc import Iterator
from typing import Final

from roost.migration import ids
from roost.migration.context import Context
from roost.migration.credentials import credentials_in
from roost.migration.drafts import PreferenceDraft, SecretDraft, Warn
from roost.migration.inspection import inspect_document
from roost.migration.mapping.documents import encrypted, kept, sealed
from roost.migration.model import Item, Kind, Verdict
from roost.migration.reader import MalformedError, read
from roost.migration.salvage import unwrap
from roost.migration.text import is_safe, safe

_BLANK: Final = frozenset({b"", b"null", b'""', b"undefined"})
_ENVELOPE: Final = frozenset({"state", "version"})
_MAX_BARE: Final = 2_000


def preference(context: Context, key: str, raw: bytes) -> Iterator[Item]:
    """A setting: the state inside an envelope, any JSON, or a bare word."""
    if raw.strip() in _BLANK:
        return
    item = Item(key=key, kind=Kind.PREFERENCE, source_id=key[:255])
    item.target_id = ids.legacy(context.owner, key, "preference")
    inner = bytes(unwrap(raw).raw)
    try:
        value, item.warnings = read(inner)
    except MalformedError as error:
        if _is_bare(inner):
            value = inner.decode()
        else:
            item.verdict, item.reason = Verdict.INVALID, error.reason
            item.field, item.offset, item.raw = error.field, error.offset, raw
            yield item
            return
    if type(value) is dict and type(value.get("state")) is dict and value.keys() <= _ENVELOPE:
        value = value["state"]
    found = list(credentials_in(key, value))
    if found:
        yield sealed(context, key, raw, found)
        return
    item.warnings += inspect_document(raw)
    identity = context.claim(Kind.PREFERENCE, key, value)
    if identity.duplicate:
        item.verdict, item.reason = Verdict.SKIP, "DUPLICATE"
    elif identity.warning is not None:
        item.verdict, item.reason, item.raw = Verdict.INVALID, identity.warning.code, raw
    if item.verdict is not None:
        yield item
        return
    item.draft = PreferenceDraft(key, value)
    yield item


def _is_bare(raw: bytes) -> bool:
    """Whether `raw` is a word or a few, as `theme` holds: no JSON begun, nothing unstorable."""
    if len(raw) > _MAX_BARE or raw.lstrip()[:1] in (b"{", b"[", b'"') or raw.strip() == b"NaN":
        return False
    try:
        return is_safe(raw.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def draft_document(context: Context, key: str, raw: bytes) -> Iterator[Item]:
    """An unsent form: kept as it is, encrypted when a credential is in it."""
    if raw.strip() not in _BLANK:
        yield kept(context, key, raw, name=key)


def secret(context: Context, key: str, raw: bytes) -> Iterator[Item]:
    """A credential under a key of its own: to encrypted storage, named in the report."""
    if raw.strip() in _BLANK:
        return
    yield _secret(context, key, raw)


def unknown(context: Context, key: str, raw: bytes) -> Iterator[Item]:
    """A key nobody knows: kept as it is, encrypted when a credential is in it."""
    yield kept(context, key, raw, name=key, kind=Kind.UNKNOWN)


def _secret(context: Context, key: str, raw: bytes) -> Item:
    value, replaced = safe(raw.decode("utf-8", "surrogatepass"))
    warnings: tuple[Warn, ...] = (encrypted([""]),)
    if replaced:
        warnings += (Warn("CHARACTERS_REPLACED", None, f"{replaced} times"),)
    return Item(
        key=key,
        kind=Kind.SECRET,
        source_id=key[:255],
        target_id=ids.legacy(context.owner, key, "secret"),
        warnings=warnings,
        draft=SecretDraft(key, value, key),
    )
