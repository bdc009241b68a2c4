"""A light scan of a dump, for what has to be asked of the database before it is parsed."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from roost.migration import ids, reader
from roost.migration.keys import rule_for
from roost.migration.mapping.stores import open_store
from roost.migration.model import Kind
from roost.migration.octets import Octets
from roost.migration.parse import in_order


class _Identified(msgspec.Struct, rename="camel", gc=False):
    id: Any = None
    environment_id: Any = None


_identified: Final = msgspec.json.Decoder(_Identified).decode
_UNREADABLE: Final = _Identified()


def own_ids(
    keys: Mapping[str, Octets], environments: set[str] | None = None
) -> Iterator[tuple[Kind, str, object, str]]:
    """Find the UUIDs that tasks and environments bring: kind, key, id as it stands, and UUID.

    `environments` is given the ids of the environments that tasks name.
    """
    for name, key in in_order(keys):
        rule = rule_for(name)
        if rule.kind not in (Kind.TASK, Kind.ENVIRONMENT):
            continue
        for element in open_store(keys[key], rule.names).elements:
            found = _read(bytes(element.raw))
            if environments is not None and type(found.environment_id) in (str, int):
                environments.add(str(found.environment_id))
            source_id = element.label if found.id is None else found.id
            own = ids.own_uuid(source_id)
            if own is not None:
                yield rule.kind, name, source_id, own


def _read(raw: bytes) -> _Identified:
    try:
        return _identified(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        value, _ = reader.read(raw)
    except reader.MalformedError:
        return _UNREADABLE
    if type(value) is not dict:
        return _UNREADABLE
    return _Identified(value.get("id"), value.get("environmentId"))
