"""A table that is made anew under the same name, and a worker that has not noticed yet."""

import asyncpg
import httpx

from roost.db.dsn import DatabaseConfig
from roost.journal.install import install_sql
from roost.sync import install as shapes
from roost.sync.options import SyncOptions
from roost.sync.standalone import Standalone, StandaloneConfig
from tests.sync.follower import Follower

REMADE = "drop table if exists t; create table t (id int primary key); insert into t values (1)"


async def test_who_began_on_the_new_table_goes_on_at_a_worker_that_knows_the_old_one(
    scratch_database: str,
) -> None:
    connection = await asyncpg.connect(scratch_database)
    await connection.execute(install_sql() + ";" + shapes.install_sql())
    await connection.execute(REMADE)
    # Neither looks at tables by itself for as long as this takes.
    options = SyncOptions(look_every=600.0)
    config = StandaloneConfig(DatabaseConfig(scratch_database), options)
    workers = [Standalone(config), Standalone(config)]
    clients = []
    for worker in workers:
        await worker.open()
        transport = httpx.ASGITransport(worker)
        clients.append(httpx.AsyncClient(transport=transport, base_url="http://roost.test"))
    for client in clients:
        await Follower(client, {"table": "t"}).catch_up()
    await connection.execute(REMADE)
    workers[0].sync.shapes.relations.forget(("public", "t"))
    follower = Follower(clients[0], {"table": "t"})
    await follower.ask()
    follower.client = clients[1]
    await follower.catch_up()
    assert (follower.refetches, len(follower.rows)) == (0, 1)
    for worker, client in zip(workers, clients, strict=True):
        await client.aclose()
        await worker.close()
    await connection.close()
