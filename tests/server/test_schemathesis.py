"""Schemathesis against the running server: its document holds, whatever is sent."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server import Server, serving

# What the document cannot say is left out: that `sort` goes without `sortBy`, that an id must be of
# a row here. And a version that has passed is told before the body is looked at.
SETTINGS = """
[checks]
negative_data_rejection.expected-statuses = [
    400, 401, 403, 404, 405, 406, 409, 412, 415, 422, 429
]
"""
EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "100")
# What may end the very credential that it asks with comes last: after it, every route is closed.
ENDINGS = (
    "DELETE /api/v1/users/{id}",
    "DELETE /api/v1/tokens/{id}",
    "DELETE /api/v1/workspaces/{id}",
    "POST /api/v1/auth/logout",
)


def see(server: Server, token: str, place: Path, *selection: str) -> None:
    """Run Schemathesis, every phase and check; its report is the failure."""
    settings = place / "schemathesis.toml"
    settings.write_text(SETTINGS)
    done = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            f"--config-file={settings}",
            "run",
            f"{server.url}/openapi.json",
            f"--header=Authorization: Bearer {token}",
            f"--max-examples={EXAMPLES}",
            "--phases=examples,coverage,fuzzing,stateful",
            "--checks=all",
            "--exclude-checks=positive_data_acceptance",
            "--continue-on-failure",
            "--no-color",
            *selection,
        ],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(done.stdout[-200_000:] + done.stderr, pytrace=False)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_the_document_holds_for_generated_requests(owner_url: str, tmp_path: Path) -> None:
    with serving("--database-url", owner_url) as server:
        token = server.token()
        see(server, token, tmp_path, *(f"--exclude-name={name}" for name in ENDINGS))
        with server.client(token) as client:
            assert client.get("/api/v1/tasks").status_code == 200
        see(server, token, tmp_path, *(f"--include-name={name}" for name in ENDINGS))
        assert server.answers()
        assert "a request failed" not in server.logged
