"""Random probes across tenants: what is real elsewhere answers as what does not exist."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.db.rows import names, plant, row_of
from tests.isolation.cast import Cast, make_cast
from tests.isolation.probing import PLANTED, Prober, Request
from tests.isolation.served import Answer, Served, serving_in_process
from tests.isolation.tenants import MINE, THEIRS, Tenants, two_tenants

WORKERS = 4
PER_CAST = 100
"""Probes with one cast of people; a limit on requests is one user's."""
VARIES = re.compile(
    r'"requestId":"[^"]*"|roost-(request-id|tick|txid): [^\n]*|server-timing: [^\n]*'
    r"|ratelimit[^\n]*|retry-after[^\n]*|etag: [^\n]*|content-length: [^\n]*"
    r"|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|[0-9a-fA-F]{32}|location: [^\n]*"
)


@dataclass
class Report:
    """What the probes have met."""

    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def shape(method: str, answer: Answer) -> Any:
    """Give what two answers must have in common: all, but that a change of one's own is made."""
    if method != "GET" and answer.status < 400:
        return "changed"
    return answer.status, VARIES.sub("", answer.text)


async def _compare(served: Served, report: Report, real: Request, tenants: Tenants) -> None:
    unreal = {str(key): str(uuid4()) for key in tenants.theirs.values()}
    unreal |= {name.upper(): other.upper() for name, other in unreal.items()}
    unreal |= {key.hex: uuid4().hex for key in tenants.theirs.values()}
    unreal[THEIRS] = "x" * len(THEIRS)
    twin = real.instead(unreal)
    first = await served.ask(real.method, real.path, real.headers, real.body)
    second = await served.ask(twin.method, twin.path, twin.headers, twin.body)
    report.statuses[first.status] += 1
    problem = None
    if first.status >= 500:
        problem = "an error"
    elif real.must_fail and first.status < 400:
        problem = "it worked"
    elif "batch" in real.what and "is not a field of this body" in first.text:
        problem = "it asked for what no batch has, and so for nothing"
    elif THEIRS in first.text and THEIRS not in f"{real.path}{real.headers}{real.body}":
        problem = "it shows the other's row"
    elif "/performance" in real.path and (
        first.status == second.status or "BENCHMARK_RUNNING" in {first.code, second.code}
    ):
        pass  # about the server at this very moment
    elif 429 not in {first.status, second.status} and shape(real.method, first) != shape(
        real.method, second
    ):
        problem = f"differs from {second.status} {second.body[:200]!r}"
    if problem:
        report.wrong.append(
            f"{problem}: {real.what} {real.path} {real.body}: {first.status} {first.body[:200]!r}"
        )


async def _rows_of(cast: Cast) -> dict[str, UUID]:
    owner = cast.users["owner"]
    mine = names() | {"users": owner, "workspaces": cast.workspace}
    for table in ("tasks", "environments", "migrations", "invitations"):
        mine[table] = await cast.make(table, owner)
    return mine


async def _worker(
    served: Served, tenants: Tenants, url: str, rng: random.Random, count: int
) -> Report:
    report = Report()
    connection = await asyncpg.connect(url)
    texts = {
        "slug": await connection.fetchval(
            "select slug from workspaces where id = $1", tenants.theirs["workspaces"]
        ),
        "token": THEIRS * 5 + "abc",
        "link": THEIRS * 5 + "abc",
    }
    try:
        for start in range(0, count, PER_CAST):
            cast = await make_cast(connection, MINE)
            mine = await _rows_of(cast)
            prober = Prober(served.document, mine, tenants.theirs, texts, rng)
            tokens = [await cast.token(cast.users[role]) for role in ("owner", "member")]
            for _ in range(min(PER_CAST, count - start)):
                request = prober.request(rng.choice(tokens))
                if key := request.headers.get("idempotency-key"):
                    made = tenants.theirs | {"idempotency_keys": uuid4()}
                    row = row_of("idempotency_keys", made) | {"key": key}
                    await plant(connection, "idempotency_keys", row)
                await _compare(served, report, request, tenants)
    finally:
        await connection.close()
    return report


async def _unplanted(tenants: Tenants) -> dict[str, list[str]]:
    found = await tenants.their_rows()
    found["journal"] = [row for row in found["journal"] if PLANTED not in row]
    return found


async def _probe(url: str, count: int, seed: int) -> Report:
    report = Report()
    async with two_tenants(url) as tenants, serving_in_process(url) as served:
        before = await _unplanted(tenants)
        parts = [count // WORKERS + (n < count % WORKERS) for n in range(WORKERS)]
        reports = await asyncio.gather(
            *(
                _worker(served, tenants, url, random.Random(seed + number), part)
                for number, part in enumerate(parts)
            )
        )
        for found in reports:
            report.statuses += found.statuses
            report.wrong += found.wrong
        if await _unplanted(tenants) != before:
            report.wrong.append("rows of the other tenant have changed")
    return report


async def test_300_random_probes_find_nothing_of_another_tenants(
    isolated_database: str, counted: Callable[[str, int], None]
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    report = await _probe(isolated_database, 300, seed)
    assert not report.wrong, f"seed {seed}\n" + "\n".join(report.wrong)
    counted("random probes across tenants, none of which got through", report.statuses.total())


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_20_000_random_probes_find_nothing_of_another_tenants(
    isolated_database: str, counted: Callable[[str, int], None]
) -> None:
    report = await _probe(isolated_database, 20_000, 20_000)
    assert not report.wrong, f"{len(report.wrong)}\n" + "\n".join(report.wrong[:50])
    counted("random probes across tenants, none of which got through", report.statuses.total())
    for status, how_many in sorted(report.statuses.items()):
        counted(f"probes were answered {status}", how_many)


def test_a_probe_and_its_twin_differ_in_names_only() -> None:
    key = UUID(int=1)
    request = Request(
        "x", "GET", f"/tasks/{key}?a={key}", {"h": str(key)}, {"b": str(key)}, must_fail=True
    )
    twin = request.instead({str(key): str(UUID(int=2))})
    assert str(key) not in f"{twin.path}{twin.headers}{twin.body}"
