"""Requests that two parsers might read differently are read in one way, or refused."""

import json
import socket
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.server import API, Server

TASKS = f"{API}/tasks"
HIDDEN = b"GET /healthz HTTP/1.1\r\nHost: roost\r\nConnection: close\r\n\r\n"
FRAMINGS = {
    "a length and chunks": b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n",
    "chunks and a length": b"Transfer-Encoding: chunked\r\nContent-Length: %d\r\n",
    "two lengths": b"Content-Length: %d\r\nContent-Length: 0\r\n",
    "a list of lengths": b"Content-Length: %d, 0\r\n",
    "a signed length": b"Content-Length: +%d\r\n",
    "a length that is no number": b"Content-Length: %dx\r\n",
    "chunks that are not the last coding": b"Transfer-Encoding: chunked, identity\r\n",
    "chunks with a space before the colon": b"Transfer-Encoding : chunked\r\n",
    "a header on a second line": b"X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: %d\r\n",
}


def sent(server: Server, framing: bytes, body: bytes, token: str) -> bytes:
    """Send a POST with a body framed like that; gives all that comes back until the end."""
    where = urlsplit(server.url)
    head = framing % len(body) if b"%d" in framing else framing
    lines = f"POST {TASKS} HTTP/1.1\r\nHost: roost\r\nAuthorization: Bearer {token}\r\n"
    with socket.create_connection((where.hostname, where.port), timeout=30) as connection:
        connection.sendall(lines.encode() + head + b"\r\n" + body)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("name", FRAMINGS)
def test_a_body_of_doubtful_length_is_refused_and_hides_no_second_request(
    server: Server, token: str, name: str
) -> None:
    answers = sent(server, FRAMINGS[name], b"0\r\n\r\n" + HIDDEN, token)
    assert answers.startswith(b"HTTP/1.1 400 ")
    assert answers.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in answers


def test_what_follows_a_body_of_sound_length_is_a_request_of_its_own(
    server: Server, token: str
) -> None:
    task = b'{"title":"of chunks"}'
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(task), task)
    answers = sent(server, b"Transfer-Encoding: chunked\r\n", chunked + HIDDEN, token)
    assert answers.startswith(b"HTTP/1.1 201 ")
    assert answers.count(b"HTTP/1.1 200 ") == 1


@pytest.mark.parametrize("path", [TASKS, f"{API}/auth/link", "/healthz", "/docs", "/nowhere"])
def test_trace_gives_no_request_back(server: Server, token: str, path: str) -> None:
    headers = {"authorization": f"Bearer {token}", "cookie": "roost_session=planted"}
    with server.client() as client:
        answer = client.request("TRACE", path, headers=headers)
    assert answer.status_code in ({404} if path == "/nowhere" else {405})
    assert token not in answer.text
    assert "planted" not in answer.text


@pytest.mark.parametrize(
    "query",
    ["limit=1&limit=2", "limit=1&limit=1", "sortBy=title&sort_by=title", "search=a&search=b",
     "%6cimit=1&limit=2"],
)  # fmt: skip
def test_a_parameter_of_one_value_is_given_once(owner: httpx.Client, query: str) -> None:
    answer = owner.get(f"{TASKS}?{query}")
    assert answer.status_code == 400
    assert [one["code"] for one in answer.json()["errors"]] == ["repeated"]


def test_a_parameter_of_several_values_may_be_repeated(owner: httpx.Client) -> None:
    commas = owner.get(f"{TASKS}?status=pending,failed")
    assert owner.get(f"{TASKS}?status=pending&status=failed").content == commas.content


def test_of_a_name_that_a_body_has_twice_the_last_counts(owner: httpx.Client) -> None:
    twice = (
        b'{"title":"first","title":"last","metadata":{"a":1,"a":2},"metadata":{"b":1,"b":{"c":1}}}'
    )
    answer = owner.post(TASKS, content=twice)
    assert answer.status_code == 201
    task = answer.json()["data"]
    assert (task["title"], task["metadata"]) == ("last", {"b": {"c": 1}})
    # As every other common parser reads it, so that nobody in between sees another body.
    assert task["title"] == json.loads(twice)["title"]


def test_of_a_repeated_header_the_first_counts(server: Server, token: str) -> None:
    good, bad = f"Bearer {token}", "Bearer nonsense"
    with server.client() as client:
        for first, second, status in ((good, bad, 200), (bad, good, 401)):
            headers = [("authorization", first), ("authorization", second)]
            assert client.get(TASKS, headers=headers).status_code == status


def test_a_token_revoked_while_a_body_is_held_back_makes_nothing(
    server: Server, token: str
) -> None:
    where = urlsplit(server.url)
    body = b'{"name":"revenant"}'
    with server.client(token) as client:
        victim = client.post(f"{API}/tokens", json={"name": "victim"}).json()["data"]
        head = (
            f"POST {API}/tokens HTTP/1.1\r\nHost: roost\r\nConnection: close\r\n"
            f"Authorization: Bearer {victim['token']}\r\nExpect: 100-continue\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection((where.hostname, where.port), timeout=30) as connection:
            connection.sendall(head.encode())
            # Asked for the body, so who asks has been looked up.
            assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
            connection.sendall(body[:1])
            assert client.delete(f"{API}/tokens/{victim['id']}").status_code == 204
            connection.sendall(body[1:])
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 401 ")
        names = [one["name"] for one in client.get(f"{API}/tokens").json()["data"]]
    assert "revenant" not in names
