"""The statements on what was kept word for word: documents, and the names of sealed secrets."""

from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    Text,
    Uuid,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    null,
    select,
    union_all,
)

from roost.db.jsontext import object_text
from roost.db.keyset import Ordering
from roost.db.tenancy import TENANT_ID, USER_ID, tenant_read
from roost.migration.tables import documents, hashed, kept_secrets
from roost.web.lists import Listing

_d, _s = documents.c, kept_secrets.c
_key: Final = bindparam("key", type_=Text)


def _size() -> ColumnElement[int]:
    """Bytes of a document's text, without decoding it: four letters of Base64 stand for three."""
    length = func.octet_length(_d.content)
    padding = length - func.octet_length(func.rtrim(_d.content, literal_column("'='")))
    decoded = length / literal_column("4") * literal_column("3") - padding
    is_encoded = _d.encoding == literal_column("'base64'")
    return cast(case((is_encoded, decoded), else_=length), Integer)


def _or_null(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """A value that may be null, though a document's own never is."""
    return func.coalesce(value, null())


_all: Final = union_all(
    select(
        _d.id,
        _d.kind,
        _d.key,
        _d.sub_id,
        _size().label("size"),
        _d.content_type,
        _d.encoding,
        _d.created_at,
        _d.updated_at,
    ).where(_d.workspace_id == TENANT_ID, _d.user_id == USER_ID),
    select(
        _s.id,
        literal_column("'secret'", Text),
        _s.name,
        literal_column("''", Text),
        cast(null(), Integer),
        cast(null(), Text),
        cast(null(), Text),
        _s.created_at,
        _s.updated_at,
    ).where(_s.workspace_id == TENANT_ID, _s.user_id == USER_ID),
).subquery("kept")
_k: Final = _all.c
_WIRE: Final[dict[str, Any]] = {
    "id": _k.id,
    "kind": _k.kind,
    "key": _k.key,
    "subId": _k.sub_id,
    "size": _or_null(_k.size),
    "contentType": _or_null(_k.content_type),
    "encoding": _or_null(_k.encoding),
    "createdAt": _k.created_at,
    "updatedAt": _k.updated_at,
}
LIST: Final = Listing(
    name="documents.page",
    rows=select().select_from(_all),
    fields=_WIRE,
    unique=_k.id,
    orderings={
        "key": Ordering(_k.key, nullable=False),
        "size": Ordering(_k.size, nullable=True),
        "createdAt": Ordering(_k.created_at, nullable=False),
    },
    default="createdAt",
    conditions={
        "kind": _k.kind == func.any(bindparam("kind", type_=ARRAY(Text))),
        # By the hash goes the index.
        "key": (hashed(_k.key) == hashed(_key)) & (_k.key == _key),
    },
)
_content: Final = (
    select(_d.content)
    .where(_d.workspace_id == TENANT_ID, _d.user_id == USER_ID, _d.id == _k.id)
    .where(_k.kind != literal_column("'secret'"))
    .scalar_subquery()
)
ITEM: Final = tenant_read(
    "select documents.item",
    select(object_text({**_WIRE, "content": _content}).label("body")).where(
        _k.id == bindparam("document", type_=Uuid)
    ),
)
