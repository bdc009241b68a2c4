"""What changes of tasks leave in the journal."""

from typing import Any

import asyncpg
import httpx
import pytest

from tests.support.house import House
from tests.tasks.test_crud import TASKS, make


async def journaled(database: str, workspace: object) -> list[dict[str, Any]]:
    connection = await asyncpg.connect(database)
    try:
        rows = await connection.fetch(
            "select op, actor_id, workspace_id, xid::text, old, new from journal.journal"
            " where workspace_id = $1 order by seq",
            workspace,
        )
        return [dict(row) for row in rows]
    finally:
        await connection.close()


@pytest.mark.parametrize("headers", [{}, {"idempotency-key": "k"}])
async def test_every_change_names_its_actor_and_its_transaction(
    house: House, alice: httpx.AsyncClient, roost_database: str, headers: dict[str, str]
) -> None:
    principal = house.people.known["alice"]
    made = await alice.post(TASKS, json={"title": "A task"}, headers=headers)
    path = f"{TASKS}/{made.json()['data']['id']}"
    changed = await alice.patch(path, json={"title": "Changed"})
    deleted = await alice.delete(path)

    rows = await journaled(roost_database, principal.workspace_id)
    done = {(row["xid"], row["op"].decode()) for row in rows}
    answers = {"I": made, "U": changed, "D": deleted}
    assert {(answer.headers["roost-txid"], op) for op, answer in answers.items()} <= done
    assert {row["actor_id"] for row in rows} == {principal.user_id}


async def test_embeddings_of_words_are_not_journaled(
    house: House, alice: httpx.AsyncClient, roost_database: str
) -> None:
    await make(alice, title="Findable words")

    [row] = await journaled(roost_database, house.people.known["alice"].workspace_id)

    assert "Findable words" in row["new"]
    assert "'findable'" not in row["new"]
