"""Environments: their settings, their secrets apart, and at most one of them active."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from roost.migration import dates
from roost.migration.context import Context, Raw
from roost.migration.drafts import EnvironmentDraft, Warn
from roost.migration.ids import own_uuid
from roost.migration.mapping import fields
from roost.migration.mapping.documents import document, to_rotate
from roost.migration.mapping.environment_secrets import Secrets, take_secrets
from roost.migration.model import Item, Kind, Verdict
from roost.migration.text import holds_secret

_MAPPED: Final = frozenset(
    {"id", "name", "description", "githubToken", "githubRepository", "createdAt", "updatedAt"}
    | {"isActive", "userId"}
)
_TELLING: Final = frozenset(
    {"id", "name", "githubRepository", "githubToken", "githubOrganization", "sandboxConfig"}
)
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_encode: Final = msgspec.json.Encoder().encode

_USER: Final = re.compile(r"://[^/@\s]*@")
_ADDRESS: Final = "GITHUB_REPOSITORY"
TOKEN: Final = "GITHUB_TOKEN"  # noqa: S105  # the name of one


def environment(
    context: Context, key: str, source: dict[str, Any], raw: Raw, label: str | None
) -> Iterator[Item]:
    """The item of one stored environment, and a document for a text too long for its row."""
    item = Item(key=key, kind=Kind.ENVIRONMENT)
    if not source.keys() & _TELLING:
        item.verdict, item.reason = Verdict.INVALID, "NOT_AN_ENVIRONMENT"
        item.detail = f"has {len(source)} fields, none of which an environment has"
        item.raw = bytes(raw)
        yield item
        return
    source_id = source.get("id")
    source_id = label if source_id is None else source_id
    identity = context.identify(Kind.ENVIRONMENT, key, source_id, source, raw)
    item.source_id, item.target_id = identity.source_id, identity.target_id
    if context.is_foreign(source.get("userId")):
        fields.leave_to(item, source["userId"])
    elif identity.duplicate:
        item.verdict, item.reason, item.field = Verdict.SKIP, "DUPLICATE", "id"
    if item.verdict is not None:
        yield item
        return
    if source_id is not None:
        context.add_environment(source_id, identity.target_id)
    warnings = [identity.warning] if identity.warning else []
    item.draft = _draft(context, source, identity.target_id, warnings)
    item.warnings = tuple(warnings)
    yield item
    text = source.get("description")
    if type(text) is str and len(text) > fields.MAX_DESCRIPTION:
        yield document(context, key, text.encode(), sub_id=f"{identity.target_id}/description")


def _draft(
    context: Context, source: dict[str, Any], target_id: str, warnings: list[Warn]
) -> EnvironmentDraft:
    config: dict[str, Any] = {}
    secrets: Secrets = {}
    span = fields.span(source, context.imported_at, config, warnings)
    if source.get("id") is not None and own_uuid(source["id"]) != target_id:
        config["legacyId"] = source["id"]
    repository = fields.line(source, "githubRepository", config, warnings)
    if repository is not None and holds_secret(repository):
        secrets[_ADDRESS], repository = repository, _USER.sub("://", repository)
        repository = None if holds_secret(repository) else repository
    token = source.get("githubToken")
    if type(token) is str and token.strip():
        secrets[TOKEN] = token
    elif token not in (None, ""):
        secrets[TOKEN] = _encode(token).decode()
    name = _name(source, config, repository, warnings)
    description = _description(source, config, warnings)
    is_active = fields.flag(source, "isActive", config, warnings)
    config |= {
        each: value
        for each, value in source.items()
        if each not in _MAPPED and value is not None and value != ""
    }
    kept = take_secrets(config, secrets, warnings)
    if secrets:
        named = f"{to_rotate(sorted(secrets))}; kept in encrypted storage"
        warnings.append(Warn("SECRETS_ENCRYPTED", None, named))
    return EnvironmentDraft(
        id=target_id,
        name=name,
        description=description,
        repository=repository,
        config=kept,
        is_active=is_active,
        secrets=secrets,
        created_at=span.created_at,
        updated_at=span.updated_at,
        assumed=span.assumed,
    )


def _name(
    source: dict[str, Any], config: dict[str, Any], repository: str | None, warnings: list[Warn]
) -> str:
    raw = source.get("name")
    if type(raw) is str and (text := raw.strip()):
        if len(text) > fields.MAX_NAME:
            config["legacyName"] = raw
            warnings.append(Warn("NAME_SHORTENED", "name", f"{len(raw)} characters"))
        return fields.short(text)
    if raw not in (None, ""):
        config["legacyName"] = raw
    warnings.append(Warn("NAME_MISSING", "name"))
    return repository or "Environment"


def _description(source: dict[str, Any], config: dict[str, Any], warnings: list[Warn]) -> str:
    raw = source.get("description")
    if type(raw) is str:
        if len(raw) > fields.MAX_DESCRIPTION:
            warnings.append(Warn("DESCRIPTION_SHORTENED", "description", f"{len(raw)} characters"))
        return raw[: fields.MAX_DESCRIPTION]
    if raw is not None:
        config["legacyDescription"] = raw
        warnings.append(Warn("WRONG_TYPE", "description"))
    return ""


def settle(items: Iterable[Item], now: datetime) -> None:
    """Leave at most one environment active, and say which names occur more than once."""
    drafts = [(item, item.draft) for item in items if isinstance(item.draft, EnvironmentDraft)]
    active = [pair for pair in drafts if pair[1].is_active]
    if len(active) > 1:
        chosen = max(active, key=lambda pair: _claim(pair[1], now))
        for item, draft in active:
            if draft is not chosen[1]:
                draft.is_active = False
                item.warnings += (Warn("ANOTHER_IS_ACTIVE", "isActive"),)
    names: dict[str, int] = {}
    for item, draft in drafts:
        names[draft.name] = names.get(draft.name, 0) + 1
        if names[draft.name] > 1:
            item.warnings += (Warn("DUPLICATE_NAME", "name", fields.shown(draft.name)),)


def _claim(draft: EnvironmentDraft, now: datetime) -> tuple[bool, datetime, datetime, str]:
    """The default before others, then the most recently used, then the most recently changed."""
    used, _ = dates.parse(draft.config.get("lastUsedAt"), now)
    return draft.config.get("isDefault") is True, used or _NEVER, draft.updated_at, draft.id
