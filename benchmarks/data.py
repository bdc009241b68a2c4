"""The rows of the benchmarks: 200,000 tasks of 1,000 tenants, the same for everybody.

Everything about a row follows from its number, so that SQL can make it and any peer can hold it.
A tenant's tasks lie far apart in the table, as they do where many tenants work at once.
"""

from typing import Any

TENANTS = 1_000
TASKS = 200_000
# As many tenants ask, in turn.
CALLERS = 100

TASK_COLUMNS = (
    "id, workspace_id, title, description, status, priority, mode, environment_id, repository,"
    " branch, assignee_id, created_by, labels, due_at, completed_at, archived_at, status_message,"
    " has_changes, pull_request, position, metadata, version, created_at, updated_at"
)

# What POST /tasks gets. Every server stores the same row for it.
NEW_TASK: dict[str, Any] = {
    "title": "Make the parser accept what people really type",
    "description": "Please look at the failing test and say why it fails. " * 4,
    "status": "pending",
    "priority": "high",
    "repository": "example/parser",
    "branch": "feature/parser",
    "labels": ["bug", "backend"],
}


def tenant_id(number: int) -> str:
    """Give the workspace id of a tenant, by its number from 1."""
    return f"00000000-0000-7000-8000-{number:012d}"


def user_id(number: int) -> str:
    """Give the id of the one user of a tenant, by its number from 1."""
    return f"00000000-0000-7000-9000-{number:012d}"


def id_sql(kind: str, number: str) -> str:
    """Write SQL for such an id as text; `kind` is its fourth group, `number` an SQL expression."""
    return f"('00000000-0000-7000-{kind}-' || lpad(({number})::text, 12, '0'))"


TENANT_KIND, USER_KIND, TASK_KIND = "8000", "9000", "a000"

_STATUSES = "{pending,in_progress,paused,blocked,in_review,completed,failed,cancelled}"
_PULL_REQUEST = (
    '{"number": 1207, "url": "https://git.example/app/pull/1207", "state": "open",'
    ' "merged": false, "headRef": "feature/parser", "headSha": "0123456789abcdef0123456789abcdef",'
    ' "baseRef": "main", "author": "sam"}'
)

_TENANT = f"1 + i % {TENANTS}"
INSERT_TASKS = f"""
insert into tasks ({TASK_COLUMNS})
select {id_sql(TASK_KIND, "i")}::uuid, {id_sql(TENANT_KIND, _TENANT)}::uuid,
    'Task ' || i || ': make the parser accept what people really type',
    repeat('Please look at the failing test and say why it fails. ', 4),
    ('{_STATUSES}'::text[])[1 + i % 8], ('{{low,medium,high,urgent}}'::text[])[1 + i / 8 % 4],
    'code', null, 'example/repository-' || i % 50, 'feature/' || i,
    case when i % 2 = 0 then {id_sql(USER_KIND, _TENANT)}::uuid end,
    {id_sql(USER_KIND, _TENANT)}::uuid, '{{bug,backend}}',
    case when i % 3 = 0 then made + interval '7 days' end,
    case when i % 8 = 5 then made + interval '1 day' end,
    null, case when i % 8 = 1 then 'Working on your task' end, i % 8 = 4,
    case when i / {TENANTS} % 10 = 0 then '{_PULL_REQUEST}'::jsonb end,
    i, '{{"source": "benchmark"}}', 1, made, made
from (
    select i, timestamptz '2026-01-01' + i * interval '7.123457 seconds' as made
    from generate_series(1, {TASKS}) i
) numbered;
"""
