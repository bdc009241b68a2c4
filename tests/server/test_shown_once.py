"""Secrets are shown in one answer, which no cache on its way keeps."""

from typing import Any
from uuid import uuid4

import httpx

from tests.support.server import API


def _shown(owner: httpx.Client, path: str, body: dict[str, Any]) -> None:
    headers = {"idempotency-key": str(uuid4())}
    first = owner.post(path, json=body, headers=headers)
    again = owner.post(path, json=body, headers=headers)
    for answer in (first, again):
        assert answer.status_code == 201, answer.text
        assert answer.headers.get_list("cache-control") == ["no-store"]
    secret = first.json()["data"]["token"]
    assert len(secret) > 40
    assert again.headers["idempotent-replayed"] == "true"
    assert secret not in again.text
    assert secret not in str(again.headers)


def test_a_tokens_secret_is_in_one_answer_that_is_not_kept(owner: httpx.Client) -> None:
    for kind in ("personal", "service"):
        _shown(owner, f"{API}/tokens", {"name": "once", "kind": kind})


def test_an_invitations_secret_is_in_one_answer_that_is_not_kept(owner: httpx.Client) -> None:
    workspace = owner.get(f"{API}/workspaces").json()["data"][0]["id"]
    _shown(owner, f"{API}/workspaces/{workspace}/invitations", {"role": "viewer"})
