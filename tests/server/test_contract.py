"""What the OpenAPI document promises of every route, asked of the running server."""

import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
from openapi_spec_validator import validate

METHODS = ("get", "post", "put", "patch", "delete")
# Logging in needs no log-in; probes and the description are for everybody.
OPEN = {
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/api/v1/auth/providers",
    "/api/v1/auth/link",
    "/login",
    "/account",
    "/api/v1/auth/{provider}/login",
    "/api/v1/auth/{provider}/callback",
    # Who has an invitation's link need not be known yet to read it; to accept it they must.
    "/api/v1/invitations/{token}",
    "GET /invitations/{link}",
    # The modules are everybody's; the pages lead to the log-in.
    "/migrate.js",
    "/migrate/{module}",
    "/migrate",
    "GET /migrate/connect",
}


def described(client: httpx.Client) -> dict[str, Any]:
    answer = client.get("/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield method.upper(), path


def is_endless(document: dict[str, Any], path: str) -> bool:
    """Whether a path answers with events for as long as somebody listens, whatever it names."""
    answer = document["paths"][path]["get"]["responses"].get("200", {})
    return "text/event-stream" in answer.get("content", {}) and "{" not in path


def real(path: str) -> str:
    """Fill a path's places."""
    return re.sub(r"\{\w+\}", str(uuid4()), path)


def is_open(method: str, path: str) -> bool:
    return bool({path, f"{method} {path}"} & OPEN) or path.startswith("/docs")


def test_the_document_is_valid_openapi(anybody: httpx.Client) -> None:
    document = described(anybody)
    assert document["openapi"].startswith("3.1")
    validate(document)
    assert len(list(operations(document))) > 40


def test_every_route_but_the_open_ones_needs_a_log_in(anybody: httpx.Client) -> None:
    for method, path in operations(described(anybody)):
        answer = anybody.request(method, real(path))
        if is_open(method, path):
            assert answer.status_code not in {401, 403} or path.endswith("/link"), (method, path)
            continue
        assert answer.status_code == 401, (method, path, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["code"] == "UNAUTHORIZED"


def test_a_false_credential_is_no_better(anybody: httpx.Client) -> None:
    for headers in (
        {"authorization": "Bearer nonsense"},
        {"authorization": "Basic b3duZXI6b3duZXI="},
        {"cookie": "roost_session=nonsense"},
    ):
        for method, path in operations(described(anybody)):
            if not is_open(method, path):
                extra = headers | {"origin": str(anybody.base_url).rstrip("/")}
                answer = anybody.request(method, real(path), headers=extra)
                assert answer.status_code == 401, (method, path, answer.text)


def test_head_is_get_without_the_body(owner: httpx.Client) -> None:
    document = described(owner)
    for method, path in operations(document):
        if method != "GET" or path.endswith("/link") or is_endless(document, path):
            continue
        url = real(path)
        got, head = owner.get(url), owner.head(url)
        assert head.status_code == got.status_code, path
        assert head.content == b""
        if "{" not in path and path not in {"/metrics", "/readyz"}:
            assert head.headers.get("content-type") == got.headers.get("content-type"), path


def test_a_method_that_a_path_does_not_have_is_a_405_that_names_those_it_has(
    owner: httpx.Client,
) -> None:
    document = described(owner)
    for path, item in document["paths"].items():
        has = {method.upper() for method in METHODS if method in item}
        for method in ({"GET", "POST", "PUT", "PATCH", "DELETE"} - has) | {"PROPFIND", "TRACE"}:
            answer = owner.request(method, real(path))
            assert answer.status_code == 405, (method, path, answer.text)
            allowed = {name.strip() for name in answer.headers["allow"].split(",")}
            assert has <= allowed, (method, path, allowed)
            assert method not in allowed
            assert answer.json()["code"] == "METHOD_NOT_ALLOWED"


def test_every_answer_carries_the_common_headers(
    anybody: httpx.Client, owner: httpx.Client
) -> None:
    for answer in (
        owner.get("/api/v1/tasks"),
        anybody.get("/api/v1/tasks"),
        anybody.get("/nowhere"),
        anybody.get("/healthz"),
    ):
        assert answer.headers["roost-api-version"] == "1"
        assert answer.headers["roost-request-id"]
        assert answer.headers["roost-tick"].isdigit()
        assert "total;dur=" in answer.headers["server-timing"]
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_parameter_is_there_or_not_but_never_null_or_a_number_of_seconds(
    owner: httpx.Client,
) -> None:
    for query in (
        "page=null",
        "limit=NULL",
        "archived=null",
        "createdAfter=null",
        "updatedBefore=0.5",
    ):
        answer = owner.get(f"/api/v1/tasks?{query}")
        assert answer.status_code == 400, (query, answer.text)
        assert answer.json()["errors"][0]["field"] == query.partition("=")[0]
    assert owner.get("/api/v1/tasks?search=null").status_code == 200
