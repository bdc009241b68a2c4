"""The OpenAPI 3.1 document, made from the endpoints' contracts."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from roost import errors
from roost.web.endpoint import Contract, Endpoint
from roost.web.schemas import PAGINATION, PROBLEM, problem_schema, schema_hook

_REF = "#/components/schemas/{name}"
_ALWAYS = (
    errors.VALIDATION_ERROR,
    errors.INTERNAL_ERROR,
    errors.DATABASE_UNAVAILABLE,
    errors.QUERY_TIMEOUT,
    errors.SERVER_STOPPING,
    errors.STORAGE_FULL,
)
_WITH_LOGIN = (errors.UNAUTHORIZED, errors.FORBIDDEN, errors.WORKSPACE_NOT_FOUND)
_WITH_BODY = (
    errors.MALFORMED_BODY,
    errors.UNSUPPORTED_MEDIA_TYPE,
    errors.BODY_TOO_LARGE,
    errors.REQUEST_TIMEOUT,
)
_NOT_BY_PATCH = {"POST", "PUT", "PATCH", "DELETE"}


def document(endpoints: Sequence[Endpoint], version: str) -> dict[str, Any]:
    """Write the whole document."""
    types = _types(endpoints)
    schemas, components = msgspec.json.schema_components(
        types, ref_template=_REF, schema_hook=schema_hook
    )
    known = dict(zip(map(id, types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        path = re.sub(r"\{(\w+):\w+\}", r"{\1}", endpoint.path)
        paths.setdefault(path, {})[endpoint.method.lower()] = _operation(endpoint, path, known)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Roost",
            "version": version,
            "summary": "The self-hosted home for the work of coding agents.",
            "description": "Routes under `/api/v1` also answer under `/api`, which is always the "
            "newest stable version. Every answer carries `Roost-Request-Id`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": {
                **components,
                "Pagination": PAGINATION,
                "Problem": problem_schema(),
            },
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "roost_session"},
            },
        },
    }


def _types(endpoints: Sequence[Endpoint]) -> list[Any]:
    found: dict[int, Any] = {}
    for endpoint in endpoints:
        contract = endpoint.contract
        for kind in (contract.body, contract.described_body, contract.returns, contract.query):
            if kind is not None:
                found[id(kind)] = kind
    return list(found.values())


def _operation(endpoint: Endpoint, path: str, known: dict[int, Any]) -> dict[str, Any]:
    contract = endpoint.contract
    operation: dict[str, Any] = {
        "operationId": operation_id(endpoint),
        "summary": contract.summary,
        "tags": [contract.tag or _tag(path)],
        "parameters": _parameters(endpoint, path),
        "responses": _responses(endpoint, known),
    }
    if contract.permission is None:
        operation["security"] = []
    else:
        operation["description"] = f"Needs the permission `{contract.permission}`."
    body = contract.body or contract.described_body
    if body is not None:
        types = ["application/json"]
        if endpoint.method == "PATCH":
            types.append("application/merge-patch+json")
        operation["requestBody"] = {
            "required": not contract.body_is_optional,
            "content": {name: {"schema": known[id(body)]} for name in types},
        }
    return operation


def operation_id(endpoint: Endpoint) -> str:
    """Name an operation: `get_tasks_id_messages`."""
    path = endpoint.path.removeprefix("/api/v1")
    words = re.findall(r"[A-Za-z.]+", re.sub(r":\w+\}", "}", path))
    return "_".join([endpoint.method.lower(), *words]).replace(".", "_")


def _tag(path: str) -> str:
    parts = path.removeprefix("/api/v1").strip("/").split("/")
    return parts[0] or "service"


def _parameters(endpoint: Endpoint, path: str) -> list[dict[str, Any]]:
    contract = endpoint.contract
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": _place(name)}
        for name in re.findall(r"\{(\w+)\}", path)
    ]
    if contract.query is not None:
        found += query_parameters(contract.query)
    if contract.permission is not None:
        found.append(_header("Roost-Workspace", "The workspace's id or slug; default: your own."))
    if _takes_key(endpoint):
        found.append(
            _header("Idempotency-Key", "The same key and body give the first answer again.", 255)
        )
    if (
        endpoint.method in {"PUT", "PATCH", "DELETE"}
        and errors.PRECONDITION_FAILED in contract.problems
    ):
        found.append(_header("If-Match", "Change it only if this is still its ETag."))
    if endpoint.method == "GET" and contract.permission is not None:
        found.append(_header("If-None-Match", "Answer 304 if this is still its ETag."))
    if contract.permission is not None:
        described = "A `Roost-Tick` that was given out: show nothing older than it."
        found.append(_header("Roost-After-Tick", described, 18))
    return found


def _takes_key(endpoint: Endpoint) -> bool:
    """Whether `Idempotency-Key` goes with it; a message of JSON-RPC may be anything."""
    contract = endpoint.contract
    is_change = endpoint.method == "POST" and contract.permission is not None
    return is_change and not contract.json_rpc


def _place(name: str) -> dict[str, Any]:
    """Describe a part of a path by its name."""
    if name == "id" or name.endswith("_id"):
        return {"type": "string", "format": "uuid"}
    return {"type": "string", "minLength": 1}


def query_parameters(query: type[msgspec.Struct]) -> list[dict[str, Any]]:
    """Describe a struct's fields as query parameters."""
    given, required = fields(query, null=False)
    found = []
    for name, plain in given.items():
        parameter: dict[str, Any] = {"name": name, "in": "query", "schema": plain}
        description = plain.pop("description", None)
        if description:
            parameter["description"] = description
        if name in required:
            parameter["required"] = True
        if plain.get("type") == "array":
            parameter |= {"style": "form", "explode": True}
        found.append(parameter)
    return found


def fields(kind: type, *, null: bool = True) -> tuple[dict[str, dict[str, Any]], set[str]]:
    """Give the schemas of a struct's fields by name, complete in themselves, and which it needs.

    With `null` off, a field that may be null is one that may be left out.
    """
    schema: dict[str, Any] = msgspec.json.schema(kind, schema_hook=schema_hook)
    known = schema.get("$defs", {})
    body = known[_name(schema)] if "$ref" in schema else schema
    found = {name: _inlined(given, known) for name, given in body["properties"].items()}
    if not null:
        found = {name: _without_null(given) for name, given in found.items()}
    return found, set(body.get("required", ()))


def _name(reference: dict[str, Any]) -> str:
    return str(reference["$ref"]).rpartition("/")[2]


def _inlined(schema: Any, known: dict[str, Any]) -> Any:  # noqa: ANN401 -- a part of a JSON schema
    """Put what is referred to in its place: a parameter has no definitions."""
    if isinstance(schema, list):
        return [_inlined(part, known) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(known[_name(schema)], known)
    return {name: _inlined(part, known) for name, part in schema.items()}


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Take the null out: a query parameter is there, or not."""
    found = {
        name: value for name, value in schema.items() if name != "default" or value is not None
    }
    choices = found.get("anyOf")
    if choices:
        rest = [choice for choice in choices if choice != {"type": "null"}]
        if len(rest) == 1:
            del found["anyOf"]
            found |= rest[0]
    if "enum" in found:
        found["enum"] = [value for value in found["enum"] if value is not None]
    return found


def _header(name: str, description: str, longest: int | None = None) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if longest:
        schema |= {"minLength": 1, "maxLength": longest}
    return {"name": name, "in": "header", "description": description, "schema": schema}


def _responses(endpoint: Endpoint, known: dict[int, Any]) -> dict[str, Any]:
    contract = endpoint.contract
    answers: dict[str, Any] = {
        str(status): _success(contract, known, status)
        for status in (contract.status, *contract.also)
    }
    if endpoint.method == "GET" and contract.permission is not None:
        answers["304"] = {"description": "Not modified"}
    by_status: dict[int, list[errors.Entry]] = {}
    for entry in _problems(endpoint):
        codes = by_status.setdefault(entry.status, [])
        if entry not in codes:
            codes.append(entry)
    for status, entries in sorted(by_status.items()):
        content: dict[str, Any] = {"application/problem+json": {"schema": PROBLEM}}
        if contract.media_type == "text/html":  # a page may say itself what is wrong
            content["text/html"] = {"schema": {"type": "string"}}
        answers[str(status)] = {
            "description": "; ".join(f"`{entry.code}`: {entry.title}" for entry in entries),
            "content": content,
        }
    if contract.json_rpc:
        refusal = {"application/json": {"schema": known[id(contract.returns)]}}
        answers["202"] = {"description": "Taken; it asks for no answer"}
        answers["400"]["content"] |= refusal
        answers["404"]["content"] |= refusal
    return answers


def _problems(endpoint: Endpoint) -> list[errors.Entry]:
    contract = endpoint.contract
    found = [*_ALWAYS, *contract.problems]
    if contract.permission is not None:
        found += _WITH_LOGIN
    if contract.body is not None:
        found += _WITH_BODY
    if endpoint.method in _NOT_BY_PATCH:
        found += [errors.CONFLICT, errors.CONTENTION, errors.RATE_LIMITED]
    if _takes_key(endpoint):
        found.append(errors.IDEMPOTENCY_KEY_REUSED)
    return found


def _success(contract: Contract, known: dict[int, Any], status: int) -> dict[str, Any]:
    if status in {204, 303}:
        return {"description": contract.summary}
    if contract.returns is None:
        return {
            "description": contract.summary,
            "content": {contract.media_type: {"schema": {"type": "string"}}},
        }
    data = known[id(contract.returns)]
    if contract.paged or contract.listed:
        data = {"type": "array", "items": data}
    properties = {"data": data}
    if contract.paged or contract.paged_within:
        properties["pagination"] = {"$ref": "#/components/schemas/Pagination"}
    schema = (
        data
        if contract.bare
        else {"type": "object", "properties": properties, "required": list(properties)}
    )
    content = {contract.media_type: {"schema": schema}}
    if contract.streamed:
        content["text/event-stream"] = {"schema": {"type": "string"}}
    return {"description": contract.summary, "content": content}
