"""People who write to the tasks of a migration while it goes on, and know what was acknowledged."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
import httpx

from tests.migration.bench import API, Person, task

WRITERS = 3


class Writer:
    """Edits, answers in, deletes and makes tasks at random, of its share of all numbers."""

    def __init__(self, person: Person, share: int, size: int) -> None:
        self._person = person
        self._rng = random.Random(share)
        self._numbers = range(share, size, WRITERS)
        self.titles: dict[str, str] = {}
        self.said: dict[str, list[str]] = {}
        self.deleted: set[str] = set()
        self.made: set[str] = set()
        self._last: asyncio.Task[None] | None = None

    async def work(self) -> None:
        """Write until it is cancelled."""
        number = 0
        while True:
            number += 1
            target = task(self._rng.choice(self._numbers))["id"]
            choice = self._rng.choices(
                [self._edit, self._say, self._make, self._delete], [6, 3, 1, 1]
            )
            self._last = asyncio.create_task(choice[0](target, f"mine {number}"))
            await asyncio.shield(self._last)

    async def finish(self) -> None:
        """Hear of the last write, which is not cancelled."""
        if self._last is not None:
            await self._last

    async def _edit(self, target: str, text: str) -> None:
        if await self._is_done("PATCH", f"/tasks/{target}", {"title": text}):
            self.titles[target] = text
            self.deleted.discard(target)

    async def _say(self, target: str, text: str) -> None:
        if await self._is_done("POST", f"/tasks/{target}/messages", {"role": "user", "text": text}):
            self.said.setdefault(target, []).append(text)
            self.deleted.discard(target)

    async def _make(self, _: str, text: str) -> None:
        answer = await self._send("POST", "/tasks", {"title": text})
        if answer.is_success:
            self.made.add(answer.json()["data"]["id"])

    async def _delete(self, target: str, _: str) -> None:
        if await self._is_done("DELETE", f"/tasks/{target}"):
            self.deleted.add(target)
            self.titles.pop(target, None)
            self.said.pop(target, None)

    async def _is_done(self, method: str, path: str, body: Any = None) -> bool:
        return (await self._send(method, path, body)).is_success

    async def _send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        answer = await self._person.client.request(method, f"{API}{path}", json=body)
        # Gone meanwhile, or the database had its hands full: nothing was acknowledged.
        assert answer.is_success or answer.status_code in {404, 503}, answer.text
        return answer


async def lock_backwards(url: str, person: Person, size: int) -> None:
    """Lock tasks in the order contrary to everybody's, again and again, until cancelled."""
    rng = random.Random(size)
    connection = await asyncpg.connect(url)
    try:
        while True:
            with suppress(asyncpg.DeadlockDetectedError):
                async with connection.transaction():
                    for number in sorted(rng.sample(range(size), 10), reverse=True):
                        await connection.execute(
                            "select from tasks where workspace_id = $1 and id = $2 for update",
                            person.workspace_id,
                            task(number)["id"],
                        )
    finally:
        await connection.close()


@asynccontextmanager
async def writing(url: str, person: Person, size: int) -> AsyncIterator[list[Writer]]:
    """Have writers, and a session that provokes deadlocks, at work within the block."""
    writers = [Writer(person, share, size) for share in range(WRITERS)]
    working = [asyncio.create_task(each.work()) for each in writers]
    working += [asyncio.create_task(lock_backwards(url, person, size)) for _ in range(2)]
    try:
        yield writers
        assert not [each.exception() for each in working if each.done()]
    finally:
        for each in working:
            each.cancel()
        await asyncio.wait(working)
        for writer in writers:
            await writer.finish()
