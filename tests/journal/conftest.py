"""Fixtures of the journal's tests."""

from collections.abc import AsyncIterator

import pytest

from tests.journal.database import Journaled


@pytest.fixture
async def database(scratch_database: str) -> AsyncIterator[Journaled]:
    """A fresh database with the journal installed."""
    async with Journaled.fresh(scratch_database) as journaled:
        yield journaled
