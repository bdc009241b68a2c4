"""A server with benchmarks of a small size, on a database of the test's own."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import asyncpg
import httpx
import pytest

from roost.db.pool import Database
from roost.db.roles import DOCTOR_ROLE
from roost.performance.benchmarks.routes import BenchmarkRoutes
from roost.performance.benchmarks.scratch import Sizes
from roost.performance.benchmarks.service import Benchmarks
from roost.performance.benchmarks.together import ROUNDS
from tests.db.waiting import until
from tests.support.house import House
from tests.support.schema import as_role, pool_config

SMALL = Sizes(tenants=5, rows=500, singles=20, reads=20, moves=10, bulks=4, bulk_rows=40)
API = "/api/v1/performance/benchmarks"
LIVE = {"queued", "running"}


@dataclass
class Hall:
    """The house, its doctor, and a superuser who looks on."""

    house: House
    doctor: Database
    admin: Any
    benchmarks: Benchmarks
    others: list[Benchmarks] = field(default_factory=list)

    @property
    def alice(self) -> httpx.AsyncClient:
        """A client of an owner's."""
        return self.house.client("alice")

    def serve(self, benchmarks: Benchmarks) -> None:
        """Have these answer."""
        self.others.append(self.benchmarks)
        self.benchmarks = benchmarks
        self.house.mount(BenchmarkRoutes(self.house.kit, benchmarks).endpoints())

    async def begin(self, **order: Any) -> str:
        """Begin a run; gives its id."""
        answer = await self.alice.post(API, json=order)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["data"]["id"])

    async def run(self, run_id: str, query: str = "") -> Any:
        """Show a run."""
        answer = await self.alice.get(f"{API}/{run_id}{query}")
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def ended(self, run_id: str, within: float = 30) -> Any:
        """Wait until a run has ended; gives it."""

        async def ended() -> Any:
            run = await self.run(run_id)
            return None if run["state"] in LIVE else run

        return await until(ended, within)

    async def working(self, run_id: str) -> str:
        """Wait until a run measures; gives its schema."""

        async def works() -> bool:
            return (await self.run(run_id))["progress"]["current"] not in {None, "filling"}

        await until(works)
        [schema] = await self.schemas()
        return schema

    async def schemas(self) -> list[str]:
        """Give the schemas of benchmarks that there are."""
        rows = await self.admin.fetch(
            "select nspname from pg_namespace where nspname like 'roost\\_bench\\_%'"
        )
        return [row[0] for row in rows]


@pytest.fixture
async def hall(fresh_roost_database: str) -> AsyncIterator[Hall]:
    """`alice` owns a workspace, `mia` is a member of hers, `reader` may only read."""
    config = pool_config(fresh_roost_database)
    database = await Database.connect(config)
    doctor = await Database.connect(
        replace(config, url=as_role(fresh_roost_database, DOCTOR_ROLE), max_connections=2)
    )
    admin = await asyncpg.connect(fresh_roost_database)
    house = House(database)
    house.people.add("alice")
    house.people.add("mia", role="member")
    house.people.add("reader", scopes=("performance:read",))
    hall = Hall(house, doctor, admin, Benchmarks(doctor, SMALL))
    hall.serve(hall.benchmarks)
    yield hall
    for each in (*hall.others, hall.benchmarks):
        await each.close()
    await admin.close()
    await doctor.close()
    await database.close()


@pytest.fixture
def endless(hall: Hall) -> Hall:
    """The same, where no round of `sync` ends."""

    async def forever(scratch: Any) -> Any:
        while True:
            await scratch.one.fetchval("select pg_sleep(30)")

    hall.serve(Benchmarks(hall.doctor, SMALL, {**ROUNDS, "sync": forever}))
    return hall
