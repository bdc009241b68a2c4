"""Other ways to write a path or a method lead to the same answer, or nowhere."""

import http.client
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
