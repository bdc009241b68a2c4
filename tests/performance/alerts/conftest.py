"""Alerts on a database of the test's own, with receivers that are real."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet

from roost.db.pool import Database
from roost.db.roles import DOCTOR_ROLE
from roost.db.sealing import SecretBox
from roost.performance.alerts.addresses import Policy
from roost.performance.alerts.metrics import Source
from roost.performance.alerts.routes import AlertRoutes
from roost.performance.alerts.sending import Sender
from roost.performance.alerts.working import Alerts
from tests.performance.alerts.receivers import Mailbox, Webhooks, served
from tests.support.house import House
from tests.support.schema import as_role, pool_config

START = datetime(2026, 1, 1, tzinfo=UTC)
API = "/api/v1/performance/alerts"


@dataclass
class Stage:
    """A server with alerts; time is the test's own."""

    house: House
    doctor: Database
    sender: Sender
    admin: Any
    now: datetime = START

    async def call(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        """Ask as `alice`; gives `data`."""
        answer = await self.house.client("alice").request(method, API + path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()["data"] if answer.content else None

    def worker(self) -> Alerts:
        """Give a worker, as one that has just started."""
        return Alerts(Source(self.doctor), self.sender, period=0.0)

    async def only(self, **terms: Any) -> Any:
        """Disable what is built in, and make a rule for slow statements."""
        await self.admin.execute("update performance.alert_rule set is_enabled = false")
        rule = {
            "name": "Slow", "metric": "slowQueries", "comparison": "above", "threshold": 2,
            "clearThreshold": 1, "forSeconds": 30, "cooldownSeconds": 60, "severity": "critical",
        }  # fmt: skip
        return await self.call("POST", "/rules", rule | terms, status=201)

    async def webhook(self, receiver: Webhooks) -> Any:
        """Make a channel to a receiver."""
        body = {"name": "Pager", "kind": "webhook", "url": receiver.url}
        return await self.call("POST", "/channels", body, status=201)

    async def slow(self, number: int) -> None:
        """Have so many statements been slow in the last minutes."""
        await self.admin.execute("delete from performance.slow")
        await self.admin.execute(
            "insert into performance.slow (started_at, duration_ms, ended, pid, seen_by)"
            " select now(), 2000, true, n, '{driver}' from generate_series(1, $1) n",
            number,
        )

    async def look(self, seconds: float = 0.0) -> None:
        """Let time pass, and one worker look at the rules."""
        self.now += timedelta(seconds=seconds)
        await self.worker().evaluate(self.now)

    async def deliver(self, seconds: float = 0.0) -> int:
        """Let time pass, and one worker send what is due."""
        self.now += timedelta(seconds=seconds)
        return await self.worker().deliver(self.now)

    async def fire(self, seconds: float = 30.0) -> Any:
        """Make trouble for so long that the rule fires; gives the event."""
        await self.slow(5)
        await self.look(1)
        await self.look(seconds)
        (event,) = (await self.call("GET", "?state=firing"))["items"]
        return event


@pytest.fixture
async def stage(fresh_roost_database: str, connect: Any) -> AsyncIterator[Stage]:
    config = pool_config(fresh_roost_database)
    pool = await Database.connect(config)
    doctor = await Database.connect(
        replace(config, url=as_role(fresh_roost_database, DOCTOR_ROLE), max_connections=2)
    )
    house = House(pool)
    house.people.add("alice")
    house.people.add("mia", role="member")
    house.people.add("vera", role="viewer")
    house.people.add("reader", scopes=("performance:read",))
    policy = Policy.of(("127.0.0.1",))
    sender = Sender(SecretBox([Fernet.generate_key().decode()]), policy)
    house.mount(AlertRoutes(house.kit, sender, doctor).endpoints())
    yield Stage(house, doctor, sender, await connect())
    await doctor.close()
    await pool.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Webhooks]:
    async with served(Webhooks()) as found:
        yield found


@pytest.fixture
async def post_box() -> AsyncIterator[Mailbox]:
    async with served(Mailbox()) as found:
        yield found
