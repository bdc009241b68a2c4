"""Bad input to the routes of identity: the answer names the field, in words."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from msgspec import inspect

from docs import generate
from tests.identity.conftest import Somebody

API = "/api/v1"


async def faults(client: httpx.AsyncClient, method: str, path: str, **given: Any) -> dict[str, str]:
    """Send what is to be refused; gives each field with its message."""
    answer = await client.request(method, API + path, **given)
    assert answer.status_code == 400, answer.text
    problem = answer.json()
    assert problem["code"] == "VALIDATION_ERROR"
    assert problem["detail"]
    return {error["field"]: error["message"] for error in problem["errors"]}


async def test_ids_in_a_path_are_named_as_the_api_writes_names(
    identity_app: httpx.AsyncClient, ann: Somebody
) -> None:
    home = f"/workspaces/{ann.workspace_id}"
    for method, path, field in (
        ("DELETE", f"{home}/members/nobody", "userId"),
        ("DELETE", f"{home}/invitations/none", "invitationId"),
        ("DELETE", f"/users/{ann.id}/sessions/none", "sessionId"),
        ("GET", "/tokens/none", "id"),
    ):
        found = await faults(identity_app, method, path, headers=ann.headers)
        assert found == {field: "must be a UUID"}


@pytest.mark.parametrize(
    ("name", "moment"),
    [("after", "0001-01-01T00:00:00+14:00"), ("before", "9999-12-31T23:59:59-14:00")],
)
async def test_a_moment_beyond_the_calendar_is_named(
    identity_app: httpx.AsyncClient, ann: Somebody, name: str, moment: str
) -> None:
    path = f"/workspaces/{ann.workspace_id}/audit"
    found = await faults(identity_app, "GET", path, params={name: moment}, headers=ann.headers)
    assert found == {name: "is out of range"}


@pytest.mark.parametrize(
    ("route", "body", "said"),
    [
        ("POST /users/{user}/erase", {"confirm": "owner@localhost "}, "e-mail address"),
        ("POST /workspaces/{home}/invitations", {"role": "viewer", "email": "a b@c"}, "e-mail"),
        ("PATCH /workspaces/{home}", {"slug": "No--Slug"}, "single hyphens"),
        (
            "POST /users",
            {"provider": "Git Hub", "providerId": "1", "email": "a@b.test"},
            "lower-case",
        ),
    ],
)
async def test_a_text_of_the_wrong_form_is_refused_in_words(
    identity_app: httpx.AsyncClient,
    ann: Somebody,
    route: str,
    body: dict[str, str],
    said: str,
) -> None:
    method, path = route.format(user=ann.id, home=ann.workspace_id).split()
    found = await faults(identity_app, method, path, json=body, headers=ann.headers)
    (message,) = found.values()
    assert said in message
    assert "regex" not in message


def test_every_pattern_has_words_for_what_it_refuses() -> None:
    kinds = [
        kind
        for endpoint in generate.endpoints()
        for kind in (endpoint.contract.query, endpoint.contract.body)
        if kind is not None
    ]
    asked = [one for kind in kinds for one in _texts(inspect.type_info(kind))]
    patterns = [(text, extra) for text, extra in asked if text.pattern is not None]
    assert patterns
    assert all("refused" in extra for _, extra in patterns)


def _texts(
    kind: inspect.Type, extra: dict[str, Any] | None = None
) -> Iterator[tuple[inspect.StrType, dict[str, Any]]]:
    """Give every text within a type, and what its `Meta` adds."""
    if isinstance(kind, inspect.StrType):
        yield kind, extra or {}
    elif isinstance(kind, inspect.Metadata):
        yield from _texts(kind.type, kind.extra)
    elif isinstance(kind, inspect.UnionType):
        for one in kind.types:
            yield from _texts(one)
    elif isinstance(kind, inspect.ListType | inspect.VarTupleType):
        yield from _texts(kind.item_type)
    elif isinstance(kind, inspect.StructType):
        for field in kind.fields:
            yield from _texts(field.type)


@pytest.mark.parametrize(
    "name", ["", " ", "\t\n", "\u200b", "\u3164 \ufeff", "\u2800", "\U000e0020", "\u00a0\u00ad"]
)
@pytest.mark.parametrize("path", ["/tokens", "/workspaces"])
async def test_a_name_that_shows_nothing_is_refused(
    identity_app: httpx.AsyncClient, ann: Somebody, path: str, name: str
) -> None:
    found = await faults(identity_app, "POST", path, json={"name": name}, headers=ann.headers)
    assert list(found) == ["name"]


@pytest.mark.parametrize("name", ["x", " x ", "日本", "👩\u200d💻", "\u200fשלום", "é", "\u200bx"])
async def test_a_name_that_shows_something_is_taken_as_it_is(
    identity_app: httpx.AsyncClient, ann: Somebody, name: str
) -> None:
    for path in ("/tokens", "/workspaces"):
        made = await identity_app.post(API + path, json={"name": name}, headers=ann.headers)
        assert made.status_code == 201, made.text
        assert made.json()["data"]["name"] == name
