"""From an empty folder to the first task, and the commands beside the running server."""

from pathlib import Path
from uuid import UUID

from tests.db.embedded.observe import family
from tests.support.server import API, document, run, serving


def test_an_empty_folder_becomes_a_server_and_other_commands_join_it(data_dir: Path) -> None:
    with serving("--data-dir", data_dir) as server:
        assert server.said.startswith(f"Roost is ready at {server.url}\nLog in once with ")
        link = server.link
        assert link is not None
        with server.client() as browser, server.client() as stranger:
            answer = browser.get(link)
            assert answer.status_code == 303, answer.text
            cookie = answer.headers["set-cookie"]
            assert {"HttpOnly", "SameSite=Lax"} <= set(cookie.split("; "))
            assert browser.get(f"{API}/tasks").json()["data"] == []
            made = browser.post(
                f"{API}/tasks", json={"title": "first"}, headers={"origin": server.url}
            )
            assert made.status_code == 201
            assert stranger.get(link).status_code == 401
            assert stranger.get(f"{API}/tasks").status_code == 401

        user = document("user", "create", "ann@example.test", "--data-dir", data_dir)
        assert set(user) == {"id", "workspaceId"}
        assert str(UUID(user["id"])) == user["id"]
        token = document(
            *("token", "create", "--name", "ci", "--user", "ANN@example.test"),
            *("--scope", "tasks:read", "--data-dir", data_dir),
        )
        assert set(token) == {"token", "id", "workspaceId"}
        assert token["workspaceId"] == user["workspaceId"]
        with server.client(token["token"]) as ann:
            assert ann.get(f"{API}/tasks").json()["data"] == []
            assert ann.post(f"{API}/tasks", json={"title": "x"}).status_code == 403

        twice = run("user", "create", "ann@example.test", "--data-dir", data_dir)
        assert twice.returncode == 1
        assert "already" in twice.stderr
        assert "Traceback" not in twice.stderr
        assert server.answers()
        assert server.stop() == 0
    assert family(data_dir) == set()

    with serving("--data-dir", data_dir) as server:
        assert server.link is None
        assert server.said == f"Roost is ready at {server.url}\n"
        with server.client(token["token"]) as ann:
            assert ann.get(f"{API}/tasks").status_code == 200
        assert server.stop() == 0
    assert family(data_dir) == set()
