"""Environments: their settings, their secrets apart, and at most one of them active."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from roost.environments.model import SECRET_NAME
from roost.migration import dates
from roost.migration.context import Context, Raw
from roost.migration.drafts import EnvironmentDraft, SealedText, Warn
from roost.migration.ids import own_uuid
from roost.migration.mapping import fields
from roost.migration.mapping.documents import document
from roost.migration.model import Item, Kind, Verdict
from roost.migration.text import is_secret, is_secret_field, redact

_MAPPED: Final = frozenset(
    {"id", "name", "description", "githubToken", "githubRepository", "createdAt", "updatedAt"}
    | {"isActive", "userId"}
)
_TELLING: Final = frozenset(
    {"id", "name", "githubRepository", "githubToken", "githubOrganization", "sandboxConfig"}
)
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_ODD: Final = re.compile(r"[^A-Za-z0-9_.-]")
_LONGEST: Final = 128
_encode: Final = msgspec.json.Encoder().encode

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
        item.verdict, item.reason, item.field = Verdict.SKIP, "OTHER_USER", "userId"
    elif identity.duplicate:
        item.verdict, item.reason, item.field = Verdict.SKIP, "DUPLICATE", "id"
    if item.verdict is not None:
        yield item
        return
    if source_id is not None:
        context.environment_ids.setdefault(str(source_id), identity.target_id)
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
    secrets: dict[str, str | SealedText] = {}
    span = fields.span(source, context.imported_at, config, warnings)
    if source.get("id") is not None and own_uuid(source["id"]) != target_id:
        config["legacyId"] = source["id"]
    repository = fields.line(source, "githubRepository", config, warnings)
    token = source.get("githubToken")
    if type(token) is str and token.strip():
        secrets[TOKEN] = token
    elif token not in (None, ""):
        secrets[TOKEN] = _encode(token).decode()
    for name, value in source.items():
        if name not in _MAPPED and value is not None and value != "":
            config[name] = _without_secrets(name, value, secrets, warnings)
            if config[name] is None:
                del config[name]
    if secrets:
        warnings.append(Warn("SECRETS_ENCRYPTED", None, ", ".join(sorted(secrets))[:500]))
    return EnvironmentDraft(
        id=target_id,
        name=_name(source, config, repository, warnings),
        description=_description(source, config, warnings),
        repository=repository,
        config=config,
        is_active=fields.flag(source, "isActive", config, warnings),
        secrets=secrets,
        created_at=span.created_at,
        updated_at=span.updated_at,
        assumed=span.assumed,
    )


def _without_secrets(
    name: str,
    value: Any,  # noqa: ANN401 -- JSON
    secrets: dict[str, str | SealedText],
    warnings: list[Warn],
) -> Any:  # noqa: ANN401 -- JSON
    """`value` with its secrets moved to `secrets`; None when it was one as a whole."""
    if type(value) is str:
        if value and (is_secret_field(name) or is_secret(value)):
            secrets[_free(name, secrets, warnings)] = value
            return None
        return value
    if type(value) is list:
        return [
            kept
            for index, each in enumerate(value)
            if (kept := _without_secrets(f"{name}_{index}", each, secrets, warnings)) is not None
            or each is None
        ]
    if type(value) is not dict:
        return value
    # A map of variables for the process is secret as a whole: nobody can tell which are not.
    if name in ("environment", "env", "envVars", "environmentVariables"):
        for inner, each in value.items():
            text = each if type(each) is str else _encode(each).decode()
            secrets[_free(inner, secrets, warnings)] = text
        return None
    kept_members = {
        inner: _without_secrets(inner, each, secrets, warnings) for inner, each in value.items()
    }
    return {
        inner: kept
        for inner, kept in kept_members.items()
        if kept is not None or value[inner] is None
    }


def _free(name: str, secrets: dict[str, str | SealedText], warnings: list[Warn]) -> str:
    """A secret's name: the field's own, as routes can address it, different from those taken."""
    wanted = _ODD.sub("_", name.strip()[:_LONGEST]) or "SECRET"
    if not SECRET_NAME.fullmatch(wanted):
        wanted = f"_{wanted}"[:_LONGEST]
    taken, count = wanted, len(secrets) + 1
    while taken in secrets:
        end = f"_{count}"
        taken, count = f"{wanted[: _LONGEST - len(end)]}{end}", count + 1
    if taken != name:
        warnings.append(Warn("SECRET_RENAMED", taken, redact(name)[:500]))
    return taken


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
