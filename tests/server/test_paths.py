"""Other ways to write a path or a method lead to the same answer, or nowhere."""

import http.client
import re
from urllib.parse import urlsplit

import pytest

from tests.support.server import Server

FORMS = [
    "//api/v1/tasks",
    "/api//v1/tasks",
    "/api/v1//tasks",
    "/api/v1/tasks/",
    "/api/v1/tasks//",
    "/api/v1%2ftasks",
    "/api/v1%2Ftasks",
    "/%61pi/v1/tasks",
    "/API/V1/TASKS",
    "/Api/v1/tasks",
    "/api/v1/Tasks",
    "/api/v1/./tasks",
    "/api/v1/x/../tasks",
    "/api/v1/%2e/tasks",
    "/api/v1/x/%2e%2e/tasks",
    "/healthz/../api/v1/tasks",
    "/healthz/%2e%2e/api/v1/tasks",
    "/api/v1/tasks;x=1",
    "/api/v1/tasks%00",
    "/api/v1/tasks%20",
    "/api/v1/tasks.json",
    "/api/v1\\tasks",
    "/api/tasks",
    "/api/v2/tasks",
    "http://elsewhere.test/api/v1/tasks",
]


def ask(
    server: Server, path: str, token: str | None = None, method: str = "GET", **headers: str
) -> tuple[int, bytes]:
    """Send the path to the letter, which HTTP clients do not."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    if token:
        names["authorization"] = f"Bearer {token}"
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in names.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


@pytest.mark.parametrize("form", FORMS)
def test_a_form_of_a_path_gives_the_plain_answer_or_none(
    server: Server, token: str, form: str
) -> None:
    assert ask(server, form)[0] in {400, 401, 404}
    status, body = ask(server, form, token)
    if status == 200:
        assert body == ask(server, "/api/v1/tasks", token)[1]
    else:
        assert status in {400, 404}


@pytest.mark.parametrize(
    "header", ["x_http_method_override", "x_method_override", "x_http_method", "_method"]
)
def test_no_header_makes_another_method_of_a_request(
    server: Server, token: str, header: str
) -> None:
    made = ask(server, "/api/v1/tasks", token, "POST", **{header: "GET"})
    assert made[0] == 400  # there is no body; it was a POST all the same
    plain = ask(server, "/api/v1/tasks", token)
    assert ask(server, "/api/v1/tasks", token, **{header: "POST"}) == plain
    assert ask(server, "/api/v1/tasks", None, **{header: "POST"})[0] == 401


@pytest.mark.parametrize("name", ["x_original_url", "x_rewrite_url", "x_forwarded_prefix"])
def test_no_header_makes_another_path_of_a_request(server: Server, name: str) -> None:
    assert ask(server, "/healthz", None, **{name: "/api/v1/tasks"})[0] == 200
    assert ask(server, "/api/v1/tasks", None, **{name: "/healthz"})[0] == 401


PLACES = (
    "/api/v1/tasks",
    "/api/v1/users/me",
    "/api/v1/tokens",
    "/api/v1/workspaces",
    "/api/v1/auth/providers",
    "/healthz",
    "/openapi.json",
)


def forms_of(path: str) -> list[str]:
    """Write a path in every way that some server takes for the same."""
    head, _, last = path.rpartition("/")
    upper = path.upper()
    return [
        "/" + path,
        path + "/",
        path + "//",
        path + "/.",
        path + "/x/..",
        path + "/%2e",
        path + "/x/%2e%2e",
        path + "/x/%2E%2E/",
        path + "/..;/" + last,
        path + ";",
        path + ";jsessionid=1",
        path + "%3bx=1",
        path + "%3f",
        path + "%23",
        path + "%00",
        path + "%20",
        path + "%09",
        path + ".json",
        path + "~",
        path + "%ff",
        head + "%2f" + last,
        head + "%5c" + last,
        head + "\\" + last,
        head + "%252f" + last,
        head + "//" + last,
        head + "/./" + last,
        head + "/%2e/" + last,
        head + "/x/../" + last,
        head + "/x/%2e%2e/" + last,
        head + "/x%2f..%2f" + last,
        head + "/%c0%af" + last,
        head + "/%ef%bc%8f" + last,
        head + "/" + last.title(),
        head + "/%" + f"{ord(last[0]):02x}" + last[1:],
        upper,
        "/healthz/.." + path,
        "/healthz/%2e%2e" + path,
        "/docs/..%2f.." + path,
        "/." + path,
        "/%2e" + path,
        "/.." + path,
        "http://elsewhere.test" + path,
        "https://elsewhere.test:1" + path,
    ]


def comparable(body: bytes) -> bytes:
    """Leave out what is another at each request."""
    return re.sub(rb'"(requestId|lastUsedAt|version)":[^,}]+', b"", body)


@pytest.mark.parametrize("path", PLACES)
def test_every_form_of_every_path_gives_the_plain_answer_or_none(
    server: Server, token: str, path: str
) -> None:
    for credential in (None, token):
        plain = ask(server, path, credential)
        for form in forms_of(path):
            status, body = ask(server, form, credential)
            if status == plain[0]:
                assert status >= 400 or comparable(body) == comparable(plain[1]), form
            else:
                assert status in {400, 404, 405}, (form, status)


@pytest.mark.parametrize("path", [place for place in PLACES if place.startswith("/api/v1/")])
def test_no_form_takes_a_narrow_token_further(server: Server, token: str, path: str) -> None:
    with server.client(token) as client:
        made = client.post("/api/v1/tokens", json={"name": "narrow", "scopes": ["tasks:read"]})
    narrow = str(made.json()["data"]["token"])
    plain = ask(server, path, narrow)
    assert plain[0] == (200 if path in {"/api/v1/tasks", "/api/v1/auth/providers"} else 403)
    for method in ("GET", "POST", "DELETE"):
        # Through what it may read to what it may not, if anything resolves the way there.
        for form in (*forms_of(path), *(f"/api/v1/tasks{way}{path}" for way in UP)):
            status, body = ask(server, form, narrow, method)
            is_plain = method == "GET" and comparable(body) == comparable(plain[1])
            assert status in {400, 403, 404, 405} or (status == 200 and is_plain), (method, form)


UP = ("/../../..", "/%2e%2e/%2e%2e/%2e%2e", "/..%2f..%2f..", "/..;/..;/..;", "/x/../../../..")


@pytest.mark.parametrize(
    "header",
    [
        "x_http_method_override",
        "x_method_override",
        "x_http_method",
        "x_original_method",
        "_method",
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/tasks", "/api/v1/users/me", "/healthz"])
def test_no_header_or_parameter_turns_a_request_into_another_method(
    server: Server, token: str, header: str, path: str
) -> None:
    for method in ("DELETE", "PUT", "POST", "PATCH", "GET", "delete"):
        plain = ask(server, path, token)
        found = ask(server, path, token, **{header: method})
        assert (found[0], comparable(found[1])) == (plain[0], comparable(plain[1]))
        by_query = ask(server, f"{path}?{header}={method}", token)
        assert by_query[0] in {plain[0], 400}


@pytest.mark.parametrize(
    "name",
    ["x_original_url", "x_rewrite_url", "x_forwarded_path", "x_original_uri", "forwarded",
     "x_forwarded_prefix", "x_forwarded_host", "x_script_name"],
)  # fmt: skip
def test_no_header_takes_a_request_to_another_place(server: Server, token: str, name: str) -> None:
    for path in ("/api/v1/tasks", "/api/v1/users/me"):
        assert ask(server, "/healthz", None, **{name: path})[1] == ask(server, "/healthz")[1]
        assert ask(server, path, None, **{name: "/healthz"})[0] == 401
        plain = ask(server, path, token)
        found = ask(server, path, token, **{name: "/api/v1/tokens"})
        assert (found[0], comparable(found[1])) == (plain[0], comparable(plain[1]))
