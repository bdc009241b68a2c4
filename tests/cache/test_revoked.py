"""Who may not any more is shown nothing, be it that they were asked for before."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from roost.cache.coherent import Cache
from tests.cache.conftest import TASKS, Person, Workers


@dataclass
class Held:
    """A wait of the cache's that lasts until it is let go; the first one only."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    may_go: asyncio.Event = field(default_factory=asyncio.Event)

    def hold(self, monkeypatch: pytest.MonkeyPatch, cache: Cache[Any], name: str) -> None:
        """Take the place of `reach` or `seen`."""
        wait = getattr(cache, name)

        async def held(*given: Any) -> Any:
            if not self.asked.is_set():
                self.asked.set()
                await self.may_go.wait()
            return await wait(*given)

        monkeypatch.setattr(cache, name, held)


async def revoked_meanwhile(
    workers: Workers, person: Person, held: Held, method: str, path: str
) -> httpx.Response:
    """Ask, with a token that is revoked while the answer waits."""
    body = {"json": {"title": "made"}} if method == "POST" else {}
    asking = asyncio.create_task(person.ask(0, method, path, "0", **body))
    async with asyncio.timeout(30):
        await held.asked.wait()
        await workers.beside.execute("update access_tokens set revoked_at = now()")
        while (await person.ask(0, "GET", "/api/v1/users/me")).status_code != 401:  # noqa: ASYNC110 -- the listener tells nobody
            await asyncio.sleep(0.01)
        held.may_go.set()
        return await asking


@pytest.mark.parametrize("wait", ["reach", "seen"])
@pytest.mark.parametrize("path", [TASKS, f"{TASKS}/0198f2b0-0000-7000-8000-000000000000"])
async def test_a_token_revoked_while_its_answer_waits_for_a_tick_is_shown_nothing(
    workers: Workers, monkeypatch: pytest.MonkeyPatch, wait: str, path: str
) -> None:
    application = await workers.start(alone=True)
    person = await workers.person("p@example.test")
    await person.make(0, "secret")
    held = Held()
    held.hold(monkeypatch, application.cache, wait)
    answer = await revoked_meanwhile(workers, person, held, "GET", path)
    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHORIZED")


async def test_a_change_by_a_token_revoked_while_it_waits_for_a_tick_is_not_made(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = await workers.start(alone=True)
    person = await workers.person("p@example.test")
    held = Held()
    held.hold(monkeypatch, application.cache, "reach")
    answer = await revoked_meanwhile(workers, person, held, "POST", TASKS)
    assert answer.status_code == 401
    assert await workers.beside.fetchval("select count(*) from tasks") == 0


async def test_who_made_a_change_is_told_of_it_whatever_became_of_their_token_since(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = await workers.start(alone=True)
    person = await workers.person("p@example.test")
    held = Held()
    held.hold(monkeypatch, application.cache, "seen")
    answer = await revoked_meanwhile(workers, person, held, "POST", TASKS)
    assert answer.status_code == 201
    assert await workers.beside.fetchval("select count(*) from tasks") == 1
