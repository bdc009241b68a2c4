"""The statements on environments, compiled once per shape."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Text,
    Uuid,
    bindparam,
    delete,
    false,
    func,
    insert,
    literal_column,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from roost.db.jsontext import Finished, object_text
from roost.db.keyset import Ordering
from roost.db.statements import SHAPES, Statement, compiled
from roost.db.tenancy import TENANT_ID, USER_ID, tenant_read
from roost.environments.tables import environment_secrets, environments
from roost.web.lists import Listing

_c = environments.c
_s = environment_secrets.c
_WIRE: Mapping[str, str] = {
    "id": "id",
    "workspaceId": "workspace_id",
    "userId": "user_id",
    "name": "name",
    "description": "description",
    "repository": "repository",
    "config": "config",
    "isActive": "is_active",
    "version": "version",
    "createdAt": "created_at",
    "updatedAt": "updated_at",
}
ORDERINGS: Mapping[str, Ordering] = {
    "name": Ordering(_c.name),
    "createdAt": Ordering(_c.created_at),
    "updatedAt": Ordering(_c.updated_at),
}


def _contains(column: ColumnElement[Any]) -> ColumnElement[bool]:
    wanted = func.lower(bindparam("search", type_=Text))
    return func.strpos(func.lower(column), wanted) > literal_column("0")


CONDITIONS: Mapping[str, ColumnElement[bool]] = {
    "search": or_(_contains(_c.name), _contains(_c.description), _contains(_c.repository)),
    "is_active": _c.is_active == bindparam("is_active", type_=Boolean),
    "repository": _c.repository == bindparam("repository", type_=Text),
    "owner": _c.user_id == bindparam("owner", type_=Uuid),
}


def _secrets(columns: Any) -> ColumnElement[str]:  # noqa: ANN401 -- a column collection
    shown = object_text({"name": _s.name, "updatedAt": _s.updated_at})
    joined = func.string_agg(shown, aggregate_order_by(literal_column("','", Text), _s.name))
    mine = (_s.workspace_id == columns.workspace_id) & (_s.environment_id == columns.id)
    array = func.concat(literal_column("'['", Text), joined, literal_column("']'", Text))
    return select(array).where(mine).correlate(columns.id.table).scalar_subquery()


def own_json(columns: Any) -> ColumnElement[str]:  # noqa: ANN401 -- a column collection
    """Write one environment without its secrets' names."""
    return object_text({wire: columns[name] for wire, name in _WIRE.items()})


def environment_json(columns: Any) -> ColumnElement[str]:  # noqa: ANN401 -- a column collection
    """Write one environment, with its secrets' names, from a table's or sub-select's columns."""
    fields: dict[str, Any] = {wire: columns[name] for wire, name in _WIRE.items()}
    return object_text(fields | {"secrets": Finished(_secrets(columns))})


ENVIRONMENTS = Listing(
    name="environments.page",
    rows=select().select_from(environments).where(_c.workspace_id == TENANT_ID),
    fields={name: _c[name] for name in _WIRE.values()},
    unique=_c.id,
    orderings=ORDERINGS,
    default="-createdAt",
    conditions=CONDITIONS,
    as_text=environment_json,
)
_mine = _c.workspace_id == bindparam("workspace", type_=Uuid)
_one = _c.id == bindparam("environment", type_=Uuid)
_shown = (_c.id, _c.version, environment_json(_c).label("body"))
_changed = {"version": _c.version + 1, "updated_at": func.now()}

ITEM = select(*_shown).where(_c.workspace_id == TENANT_ID, _one)
ENVIRONMENT = tenant_read("select environments.item", ITEM)
ACTIVE = tenant_read(
    "select environments.active",
    select(*_shown).where(_c.workspace_id == TENANT_ID, _c.user_id == USER_ID, _c.is_active),
)
READ = compiled("select environments.item", select(*_shown).where(_mine, _one))
OWNER = compiled("select environments.owner", select(_c.user_id).where(_mine, _one))
LOCK = compiled(
    "select environments.lock",
    select(_c.user_id, _c.is_active, _c.version).where(_mine, _one).with_for_update(key_share=True),
)
CONFIG = compiled("select environments.config", select(_c.config).where(_mine, _one))
INSERT = compiled(
    "insert environments",
    insert(environments)
    .values(
        {
            name: bindparam(f"new_{name}", type_=_c[name].type)
            for name in ("workspace_id", "id", "user_id", "name", "description", "repository")
        }
        | {"config": bindparam("new_config", type_=_c.config.type)}
    )
    .returning(*_shown),
)
DELETE = compiled("delete environments", delete(environments).where(_mine, _one))


@lru_cache(maxsize=SHAPES)
def environment_update(names: tuple[str, ...]) -> Statement:
    """Give the statement that sets these columns. Places: `new_<column>` and the row's."""
    values: dict[str, Any] = {name: bindparam(f"new_{name}", type_=_c[name].type) for name in names}
    statement = update(environments).where(_mine, _one).values({**values, **_changed})
    return compiled("update environments", statement.returning(*_shown))


ACTIVATION_LOCK = compiled(
    "select environments.activation",
    select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("turn", type_=Text), 0))),
)
DEACTIVATE_OTHERS = compiled(
    "update environments.others",
    update(environments)
    .where(_mine, _c.user_id == bindparam("owner", type_=Uuid), _c.is_active, ~_one)
    .values({"is_active": false(), **_changed}),
)


@lru_cache(maxsize=SHAPES)
def set_active(*, active: bool) -> Statement:
    """Give the statement that makes an environment active, or not."""
    flag = true() if active else false()
    statement = update(environments).where(_mine, _one).values({"is_active": flag, **_changed})
    return compiled("update environments.active", statement.returning(*_shown))
