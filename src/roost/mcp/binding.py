"""A tool and its route: the schema of its arguments, and the request that a call becomes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from msgspec import Raw

from roost import errors
from roost.mcp import arguments
from roost.mcp.tools import Tool
from roost.web import openapi
from roost.web.endpoint import API, Endpoint
from roost.web.query import invalid

_PLACE: Final = re.compile(r"\{(\w+):str\}")
_KEY: Final = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "description": "A name for this call: the same again gives the first answer again, and "
    "changes nothing twice.",
}
_VERSION: Final = {
    "type": "integer",
    "minimum": 1,
    "description": "Change it only while its `version` is still this one.",
}


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a route."""

    method: str
    path: str
    query: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes


@dataclass(frozen=True, slots=True)
class Bound:
    """A tool with its endpoint: where each argument goes."""

    tool: Tool
    endpoint: Endpoint
    permission: str
    schema: dict[str, Any]
    queries: frozenset[str]
    fields: frozenset[str]

    @property
    def is_safe(self) -> bool:
        """Whether it changes nothing."""
        return self.endpoint.method == "GET"

    def request(self, given: Mapping[str, Raw]) -> Request:
        """Make the request; VALIDATION_ERROR names an argument that is unknown or missing."""
        known = self.schema["properties"]
        for name in given:
            if name not in known:
                message = f"is not an argument of {self.tool.name}; there are {', '.join(known)}"
                raise invalid(name, message, "unknown")
        pairs = [
            (name, value)
            for name in given
            if name in self.queries
            for value in arguments.texts(name, given[name])
        ]
        body = b""
        if self.endpoint.contract.body is not None:
            fields = {name: raw for name, raw in given.items() if name in self.fields}
            body = msgspec.json.encode({**fields, **self.tool.fixed})
        return Request(
            self.endpoint.method,
            _PLACE.sub(lambda found: arguments.segment(found[1], given), self.endpoint.path),
            urlencode(pairs).encode(),
            arguments.headers(given),
            body,
        )


def bind(tools: Sequence[Tool], endpoints: Sequence[Endpoint]) -> dict[str, Bound]:
    """Find each tool's endpoint; ValueError when there is none, or two arguments share a name."""
    served = {f"{one.method} {_written(one)}": one for one in endpoints}
    return {tool.name: _bound(tool, served.get(tool.route)) for tool in tools}


def _written(endpoint: Endpoint) -> str:
    return _PLACE.sub(r"{\1}", endpoint.path.removeprefix(API))


def _bound(tool: Tool, endpoint: Endpoint | None) -> Bound:
    if endpoint is None or (permission := endpoint.contract.permission) is None:
        message = f"{tool.name} needs a route {tool.route} that is guarded by a permission"
        raise ValueError(message)
    contract = endpoint.contract
    places = {name: {"type": "string"} for name in _PLACE.findall(endpoint.path)}
    queries, needed = openapi.fields(contract.query, null=False) if contract.query else ({}, set())
    fields, required = _fields(endpoint)
    properties = _all(tool, places, queries, fields, _headers(endpoint))
    required = required | needed | places.keys()
    schema = {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name in required],
        "additionalProperties": False,
    }
    return Bound(tool, endpoint, permission, schema, frozenset(queries), frozenset(fields))


def _fields(endpoint: Endpoint) -> tuple[dict[str, Any], set[str]]:
    body = endpoint.contract.body
    # Null clears in a patch; elsewhere it is as good as leaving the field out.
    return openapi.fields(body, null=endpoint.method == "PATCH") if body else ({}, set())


def _headers(endpoint: Endpoint) -> dict[str, Any]:
    """Give the arguments that go into headers."""
    if endpoint.method == "POST":
        return {arguments.KEY: _KEY}
    if errors.PRECONDITION_FAILED in endpoint.contract.problems:
        return {arguments.VERSION: _VERSION}
    return {}


def _all(tool: Tool, *parts: Mapping[str, Any]) -> dict[str, Any]:
    """Put a tool's arguments together, in a model's words where there are some."""
    properties: dict[str, Any] = {}
    for part in parts:
        if shared := properties.keys() & part.keys():
            message = f"{tool.name} has two arguments of one name: {', '.join(shared)}"
            raise ValueError(message)
        properties |= part
    for name in tool.hidden | tool.fixed.keys():
        del properties[name]
    for name, about in tool.told.items():
        properties[name] = properties[name] | {"description": about}
    return properties
