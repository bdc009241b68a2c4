"""One database with two tenants for each module, and the sizes of what was tried at the end."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio

from roost.db.embedded import Endpoint
from tests.isolation.tenants import Tenants, two_tenants
from tests.support.schema import _database

COUNTED = "isolation"


@pytest.fixture(scope="module")
def isolated_database(postgres: Endpoint, template: str) -> Iterator[str]:
    """The superuser's URL of a database that a module has for itself."""
    del template
    with _database(postgres) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tenants(isolated_database: str) -> AsyncIterator[Tenants]:
    """Two tenants with a row in every table."""
    async with two_tenants(isolated_database) as found:
        yield found


@pytest.fixture
def counted(record_property: Callable[[str, object], None]) -> Callable[[str, int], None]:
    """Note how much a test has tried; the run's summary adds it up."""

    def note(what: str, how_many: int) -> None:
        record_property(COUNTED, (what, how_many))

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how large the matrices were."""
    sizes: dict[str, int] = {}
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == COUNTED and report.when == "call":
                what, how_many = value
                sizes[what] = sizes.get(what, 0) + how_many
    for what, how_many in sorted(sizes.items()):
        terminalreporter.write_line(f"isolation: {how_many:,} {what}")
