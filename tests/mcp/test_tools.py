"""What the tools are, before anybody is asked."""

import re
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # no stubs
from msgspec import Raw

from docs import generate
from roost import __version__
from roost.errors import ProblemError
from roost.mcp.binding import Bound, bind
from roost.mcp.tools import TOOLS
from roost.web import openapi
from roost.web.endpoint import API

BOUND = bind(TOOLS, generate.endpoints())
ID = "01990000-0000-7000-8000-000000000000"
each_tool = pytest.mark.parametrize("bound", BOUND.values(), ids=list(BOUND))


def given(**arguments: str) -> dict[str, Raw]:
    """Give arguments as they arrive: JSON."""
    return {name: Raw(text.encode()) for name, text in arguments.items()}


def refusal(tool: str, **arguments: str) -> dict[str, str]:
    """Give the error of the first argument that is refused."""
    with pytest.raises(ProblemError) as caught:
        BOUND[tool].request(given(**arguments))
    [found] = caught.value.errors
    return {"field": found.field, "code": found.code}


def test_there_are_tools_for_tasks_messages_runs_steps_and_search() -> None:
    assert len(BOUND) == len(TOOLS) >= 18


@each_tool
def test_every_tool_is_an_operation_of_the_openapi_document(bound: Bound) -> None:
    document = openapi.document(generate.endpoints(), __version__)
    method, path = bound.tool.route.split()
    operation = document["paths"][f"{API}{path}"][method.lower()]
    assert bound.permission in operation["description"]
    offered = bound.schema["properties"].keys() - {"idempotencyKey", "ifVersion"}
    assert offered <= _arguments(operation, document)


def _arguments(operation: dict[str, Any], document: dict[str, Any]) -> set[str]:
    """Give the names of parameters and of the body's fields."""
    found: set[str] = {one["name"] for one in operation["parameters"]}
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    name = body.get("schema", {}).get("$ref", "").rpartition("/")[2]
    schema = document["components"]["schemas"].get(name, {})
    return found | set(schema.get("properties", ()))


@each_tool
def test_every_tool_tells_a_model_what_it_is_for(bound: Bound) -> None:
    about = bound.tool.about
    assert 60 <= len(about) <= 600
    assert about.endswith(".")
    named = set(re.findall(r"`([a-z]+_[a-z_]+)`", about))
    assert named - {"in_review", "awaiting_input"} <= BOUND.keys(), "it speaks of tools there are"
    assert bound.tool.told.keys() <= bound.schema["properties"].keys()


@each_tool
def test_every_schema_is_complete_and_closed(bound: Bound) -> None:
    Draft202012Validator.check_schema(bound.schema)
    assert "$ref" not in str(bound.schema)
    assert bound.schema["additionalProperties"] is False
    if "id" in bound.schema["properties"]:
        assert "id" in bound.schema["required"]
        assert bound.schema["properties"]["id"]["description"]


def test_a_call_becomes_a_request_of_its_route() -> None:
    made = BOUND["update_task"].request(
        given(id=f'"{ID}"', title='"new"', ifVersion="3", metadata='{"n": 1.50}')
    )
    assert (made.method, made.path) == ("PATCH", f"{API}/tasks/{ID}")
    assert made.body == b'{"title":"new","metadata":{"n": 1.50}}'
    assert made.headers == [(b"if-match", b"3")]
    made = BOUND["list_tasks"].request(
        given(status='["pending", "paused"]', archived="false", limit="5", search="null")
    )
    assert made.query == b"status=pending&status=paused&archived=false&limit=5"
    assert (made.body, made.headers) == (b"", [])
    made = BOUND["complete_execution"].request(given(id=f'"{ID}"'))
    assert made.body == b'{"status":"completed"}'


@pytest.mark.parametrize(
    "value",
    ['"x/history"', '"../environments"', '".."', '""', "null", "7", '"a?b"', '"a%2Fb"', '["a"]'],
)
def test_an_id_that_is_a_path_leads_nowhere_else(value: str) -> None:
    assert refusal("get_task", id=value)["field"] == "id"


def test_what_no_header_or_parameter_can_hold_is_refused_by_name() -> None:
    assert refusal("create_task", idempotencyKey='"a\\r\\nb: c"')["field"] == "idempotencyKey"
    assert refusal("create_task", idempotencyKey='"é"')["field"] == "idempotencyKey"
    assert refusal("update_task", id=f'"{ID}"', ifVersion='"*"')["field"] == "ifVersion"
    assert refusal("update_task", id=f'"{ID}"', ifVersion="true")["field"] == "ifVersion"
    assert refusal("list_tasks", search='{"a": 1}')["field"] == "search"
    assert refusal("list_tasks", search='"\\ud800"')["field"] == "search"
    assert refusal("list_tasks", page="2") == {"field": "page", "code": "unknown"}


def test_a_tool_without_a_guarded_route_can_not_be_made() -> None:
    endpoints = generate.endpoints()
    for route in ("GET /nothing", "GET /auth/providers"):
        with pytest.raises(ValueError, match="guarded by a permission"):
            bind([replace(TOOLS[0], route=route)], endpoints)
