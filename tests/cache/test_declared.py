"""What may be kept is made of the tables that its route names, and of no other."""

import re
from collections.abc import Iterable

import pytest

from roost.db.metadata import metadata
from roost.db.statements import Statement
from roost.environments import queries as environments
from roost.tasks import messages
from roost.tasks import queries as tasks
from roost.tasks.filters import CONDITIONS
from roost.web.lists import Listing, page_statement

NAMES = {table.name for table in metadata.tables.values()}


def pages(listing: Listing) -> Iterable[Statement]:
    order = listing.read_sort(None)  # type: ignore[arg-type]  # nothing is asked for
    for by_cursor in (True, False):
        yield page_statement(listing, (), order, by_cursor=by_cursor)
        for name in listing.conditions:
            yield page_statement(listing, (name,), order, by_cursor=by_cursor)


@pytest.mark.parametrize(
    ("statements", "declared"),
    [
        ([*pages(tasks.TASKS), tasks.TASK], {"tasks"}),
        ([tasks.task_search((name,)) for name in CONDITIONS if "words" in name], {"tasks"}),
        ([*pages(messages.CONVERSATION)], {"tasks", "messages"}),
        (
            [*pages(environments.ENVIRONMENTS), environments.ENVIRONMENT, environments.ACTIVE],
            {"environments", "environment_secrets"},
        ),
    ],
)
def test_a_kept_read_reads_the_tables_that_are_declared(
    statements: list[Statement], declared: set[str]
) -> None:
    assert statements
    for statement in statements:
        read = set(re.findall(r"(?:FROM|JOIN|,)\s+([a-z_]+)\b", statement.sql)) & NAMES
        assert read <= declared, statement.sql
        assert "now()" not in statement.sql
        assert "current_timestamp" not in statement.sql.lower()
