"""Every operation of the OpenAPI document, with a valid request for it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from roost.web.principal import AREAS, PERMISSIONS, grants

_PERMISSION = re.compile(r"Needs the permission `([^`]+)`")
_METHODS = {"get", "post", "put", "patch", "delete"}
BODIES: Mapping[str, Any] = {
    # an operation -> a body, where the least that its schema asks for does not do something;
    # {member} is the id of one, {task} that of a task, {email} the address of who asks
    "patch_tasks_id": {"title": "changed"},
    "patch_users_id": {"name": "changed"},
    "patch_workspaces_id": {"name": "changed"},
    "patch_environments_id": {"name": "changed"},
    "post_tasks_batch": {"operations": [{"op": "create", "task": {"title": "made"}}]},
    "post_tasks_id_messages": {"role": "user", "text": "said"},
    "post_executions": {"taskId": "{task}"},
    "post_workspaces_id_transfer": {"userId": "{member}"},
    "post_users_id_erase": {"confirm": "{email}"},
    "post_tasks_id_restore": {"version": 1},
    "post_environments_id_restore": {"version": 1},
    "post_history_restore": {"asOf": 0, "dryRun": True},
    "post_performance_alerts_channels": {"name": "x", "kind": "log"},
    "post_mcp": {"jsonrpc": "2.0", "id": 1, "method": "tools/list"},
    "post_migration": {"keys": {"theme": "dark"}, "config": {"dryRun": True}},
}


class NoExampleError(LookupError):
    """The matrix cannot make up a request; the message says what to add where."""


@dataclass(frozen=True)
class Operation:
    """A method on a path, and what it takes."""

    id: str
    method: str
    path: str
    permission: str | None
    required: tuple[str, ...]
    body: Any

    @property
    def places(self) -> list[str]:
        """The names in the path."""
        return re.findall(r"\{(\w+)\}", self.path)

    @property
    def names_rows(self) -> bool:
        """Whether its path names something of a tenant's."""
        # What the doctor knows is the server's.
        return "/performance/" not in self.path and bool({*self.places} - {"provider"})

    @property
    def is_safe(self) -> bool:
        """Whether it changes nothing."""
        return self.method == "GET"

    def allows(self, role: str) -> bool:
        """Whether the role has its permission."""
        return self.permission is None or role in PERMISSIONS[self.permission]

    def wrong_scope(self) -> str:
        """Give a scope that does not cover its permission."""
        assert self.permission is not None
        scopes = (f"{area}:*" for area in AREAS if area != "admin")
        return next(
            scope for scope in scopes if not grants(frozenset({scope}), str(self.permission))
        )


def operations(document: Mapping[str, Any]) -> list[Operation]:
    """Read them all."""
    found = []
    for path, item in document["paths"].items():
        for method, given in item.items():
            if method not in _METHODS:
                continue
            permission = _PERMISSION.search(given.get("description", ""))
            content = given.get("requestBody", {}).get("content", {})
            name = given["operationId"]
            body = None
            if "application/json" in content:
                schema = content["application/json"]["schema"]
                body = BODIES.get(name) or example(schema, document, name)
            required = tuple(
                parameter["name"]
                for parameter in given["parameters"]
                if parameter["in"] == "query" and parameter.get("required")
            )
            found.append(
                Operation(
                    name,
                    method.upper(),
                    path,
                    permission[1] if permission else None,
                    required,
                    body,
                )
            )
    return found


def example(schema: Mapping[str, Any], document: Mapping[str, Any], name: str) -> Any:
    """Make up the least that a schema asks for; NoExampleError where it asks for too much."""
    if "$ref" in schema:
        part = schema["$ref"].rpartition("/")[2]
        return example(document["components"]["schemas"][part], document, name)
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if choices:
        return example(choices[0], document, name)
    if "enum" in schema or "const" in schema:
        return schema["enum"][-1] if "enum" in schema else schema["const"]
    kind = schema.get("type")
    if kind == "object":
        properties = schema.get("properties", {})
        return {key: example(properties[key], document, name) for key in schema.get("required", ())}
    if kind == "array":
        return [example(schema["items"], document, name)] * schema.get("minItems", 0)
    return _scalar(schema, name)


def _scalar(schema: Mapping[str, Any], name: str) -> Any:
    kind, pattern = schema.get("type"), schema.get("pattern", "")
    if kind in {"integer", "number", "boolean"}:
        return schema.get("minimum", 1) if kind != "boolean" else True
    if schema.get("format") == "uuid":
        return str(uuid4())
    for candidate in ("example", "someone@example.test", "https://example.test/", "2026-01-01"):
        is_long = len(candidate) >= schema.get("minLength", 0)
        is_right = re.search(pattern.replace("(?!\\n)", ""), candidate)
        if kind == "string" and is_long and is_right:
            return candidate
    message = f"tests/isolation/operations.py: add a body for {name} to BODIES ({schema})"
    raise NoExampleError(message)
