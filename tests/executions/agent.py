"""An agent of a few lines, started many times and killed at random; told URL and token."""

import os
import random
import sys
import time
from contextlib import suppress

import httpx

API = "/api/v1/executions"


def work_on(client: httpx.Client, run: str) -> None:
    """Record a few steps and complete; whatever the server refuses ends it."""
    state: dict[str, object] = {"pid": os.getpid(), "done": []}
    for number in range(3):
        state = state | {"n": number}
        step = {"type": "message", "state": state, "clientKey": f"{number}"}
        answer = client.post(f"{API}/{run}/steps", json=step | {"checkpoint": not number})
        if answer.status_code != 201:
            return
        time.sleep(random.uniform(0, 0.02))
    client.patch(f"{API}/{run}", json={"status": "completed", "output": os.getpid()})


def main(url: str, token: str, lease: int) -> None:
    """Claim and work until killed."""
    headers = {"authorization": f"Bearer {token}"}
    with httpx.Client(base_url=url, headers=headers, timeout=30) as client:
        while True:
            # The server may be away, and a lost answer leaves a run for its lease to end.
            with suppress(httpx.HTTPError):
                body = {"agent": "mortal", "leaseSeconds": lease}
                answer = client.post(f"{API}/claim", json=body)
                if answer.status_code == 201:
                    work_on(client, answer.json()["data"]["id"])
                    continue
            time.sleep(0.1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
