"""Ready or not, and why."""

import asyncio
from typing import Any

import asyncpg

from tests.support.server import Server, serving, wait_until


def readiness(server: Server) -> tuple[int, dict[str, Any]]:
    with server.client() as client:
        answer = client.get("/readyz")
        return answer.status_code, {c["name"]: c for c in answer.json()["checks"]}


async def execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


def test_readiness_follows_the_database(owner_url: str, fresh_roost_database: str) -> None:
    name = fresh_roost_database.partition("@/")[2].partition("?")[0]
    elsewhere = fresh_roost_database.replace(name, "postgres", 1)
    with serving("--database-url", owner_url) as server:
        status, checks = readiness(server)
        assert status == 200
        assert set(checks) == {"database", "schema", "disk"}

        asyncio.run(
            execute(
                elsewhere,
                f"alter database {name} allow_connections false",
                f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'",
            )
        )
        status, checks = wait_until(
            lambda: found if (found := readiness(server))[0] == 503 else None, "not ready"
        )
        assert checks["database"]["status"] == "failed"
        assert checks["database"]["detail"]
        assert checks["disk"]["status"] == "ok"
        assert server.answers("/healthz")

        asyncio.run(execute(elsewhere, f"alter database {name} allow_connections true"))
        wait_until(server.answers, "ready again")

        asyncio.run(execute(owner_url, "update alembic_version set version_num = '9999'"))
        status, checks = readiness(server)
        assert status == 503
        assert checks["schema"]["status"] == "failed"
        assert "9999" in checks["schema"]["detail"]
        assert checks["database"]["status"] == "ok"
        assert server.stop() == 0
