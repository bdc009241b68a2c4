"""A client of Roost for agents: claim a task, work, leave steps, tell what came of it.

`Roost` is for plain programs, `AsyncRoost` for asyncio; they do the same. Nothing of the server
is imported.
"""

from roost.client.async_client import AsyncRoost
from roost.client.async_run import AsyncRun
from roost.client.model import (
    Claimed,
    Environment,
    Execution,
    ForkedFrom,
    Message,
    PullRequest,
    RolledBack,
    State,
    Step,
    StepWithState,
    Task,
    Usage,
)
from roost.client.problems import (
    Conflict,
    FieldError,
    LeaseLost,
    NotFound,
    RateLimited,
    RoostError,
    RunCancelled,
    Unreachable,
)
from roost.client.step_calls import NewStep
from roost.client.sync_client import Roost
from roost.client.sync_run import Run
from roost.client.viewing import Comparison, TimelineItem
from roost.client.wire import Page

__all__ = [
    "AsyncRoost",
    "AsyncRun",
    "Claimed",
    "Comparison",
    "Conflict",
    "Environment",
    "Execution",
    "FieldError",
    "ForkedFrom",
    "LeaseLost",
    "Message",
    "NewStep",
    "NotFound",
    "Page",
    "PullRequest",
    "RateLimited",
    "RolledBack",
    "Roost",
    "RoostError",
    "Run",
    "RunCancelled",
    "State",
    "Step",
    "StepWithState",
    "Task",
    "TimelineItem",
    "Unreachable",
    "Usage",
]
