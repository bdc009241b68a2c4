"""The tools that agents are offered: each is one of Roost's own routes, in words for a model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_TASK: Final = {"id": "The task's id, a UUID."}
_RUN: Final = {"id": "The execution's id, as `claim_task` gave it."}
_SPELLINGS: Final = frozenset({"sortBy", "sortOrder", "page"})
"""What lists take that says the same as `sort` and `cursor`."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A route as a tool: `about` tells a model what it is for, `told` what its schema does not.

    `fixed` are fields of the body that the tool fills in itself, and `hidden` arguments that it
    does without.
    """

    name: str
    route: str
    about: str
    told: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)
    hidden: frozenset[str] = field(default_factory=frozenset)


TOOLS: Final = (
    Tool(
        "list_tasks", "GET /tasks",
        "List the workspace's tasks, newest first, by status, priority, label, assignee and so on. "
        "For words in their text use `search_tasks`. When `pagination.nextCursor` is not null, "
        "send it as `cursor` for the next page.",
        told={"sort": "Fields, `-` before for descending, such as `-priority,createdAt`."},
        hidden=_SPELLINGS,
    ),
    Tool(
        "search_tasks", "GET /tasks/search",
        "Find tasks by words in title and description, best match first. Beginnings of words and "
        "misspelt words are found too.",
        told={"search": "What to look for."},
    ),
    Tool(
        "get_task", "GET /tasks/{id}",
        "Read one task in full: description, status, labels, branch, pull request, version.",
        told=_TASK,
    ),
    Tool(
        "create_task", "POST /tasks",
        "Create a task. Left `pending`, it waits for an agent to claim it. Put all that its worker "
        "needs to know into `description`, and what programs need into `metadata`.",
        told={"environmentId": "The environment to work in; see `list_environments`."},
        hidden=frozenset({"completedAt", "archivedAt", "position"}),
    ),
    Tool(
        "update_task", "PATCH /tasks/{id}",
        "Change fields of a task; what is not given stays, null clears. A status can follow only "
        "certain others: a refusal names them. While an execution works on the task, report with "
        "`update_execution` instead, which moves the task along.",
        told=_TASK | {"pullRequest": "At least its `number` and `url`; also `state`, `merged`, "
                      "`headRef`, `headSha`, `baseRef`, `author`."},
        hidden=frozenset({"completedAt", "position"}),
    ),
    Tool(
        "list_messages", "GET /tasks/{id}/messages",
        "Read a task's conversation, oldest first. When `pagination.nextCursor` is not null, send "
        "it as `cursor` for the next page.",
        told=_TASK, hidden=frozenset({"page"}),
    ),
    Tool(
        "add_message", "POST /tasks/{id}/messages",
        "Add a message to the end of a task's conversation, for the people and agents who follow "
        "it. An agent speaks as `assistant`.",
        told=_TASK | {
            "text": "The message, in Markdown or plain text.",
            "payload": "Structured data that goes with it.",
        },
    ),
    Tool(
        "list_environments", "GET /environments",
        "List the environments: repositories, with the settings that agents need to work in them. "
        "Of secrets only the names are shown.",
        hidden=_SPELLINGS,
    ),
    Tool(
        "claim_task", "POST /executions/claim",
        "Take the next waiting task to work on: a lease that nobody else can have. Gives the "
        "execution with its `task`, its `environment`, and the environment's `secrets`, which are "
        "shown here and nowhere else: use them, and never repeat them in messages or steps. "
        "`data` is null when nothing waits. Keep the lease with `heartbeat`; end with "
        "`complete_execution` or `fail_execution`.",
        told={
            "agent": "Your name, by which people recognise your runs.",
            "taskId": "Take this very task, or nothing.",
            "labels": "Only tasks that have all of them.",
            "anyWorkspace": "Look in all your workspaces, not only in this one.",
        },
    ),
    Tool(
        "heartbeat", "POST /executions/{id}/heartbeat",
        "Say that you are still at work, and renew the lease; call it well before "
        "`leaseExpiresAt`. When the lease is lost (`LEASE_EXPIRED`, `EXECUTION_ENDED`), stop "
        "working: the task is somebody else's.",
        told=_RUN,
    ),
    Tool(
        "update_execution", "PATCH /executions/{id}",
        "Tell how your execution goes: `running`, or `awaiting_input` when a person has to answer; "
        "what it has used so far; and what it makes of its task (branch, pull request). The task's "
        "status follows.",
        told=_RUN,
    ),
    Tool(
        "complete_execution", "PATCH /executions/{id}",
        "End your execution as done, with its result in `output`. The task becomes `completed`, "
        "unless `task.status` says otherwise (`in_review`, for instance). It can't be taken back.",
        told=_RUN | {"output": "The result: any JSON, such as a summary and links."},
        fixed={"status": "completed"}, hidden=frozenset({"error", "leaseSeconds", "agent"}),
    ),
    Tool(
        "fail_execution", "PATCH /executions/{id}",
        "End your execution as failed, with the reason in `error`. The task becomes `failed`, "
        "unless `task.status` says otherwise (`pending` puts it back into the queue).",
        told=_RUN | {"error": "Why: any JSON, such as a message and what was tried."},
        fixed={"status": "failed"}, hidden=frozenset({"output", "leaseSeconds", "agent"}),
    ),
    Tool(
        "list_executions", "GET /executions",
        "List runs of agents, newest first: of a task, by status or agent. When "
        "`pagination.nextCursor` is not null, send it as `cursor` for the next page.",
        hidden=_SPELLINGS,
    ),
    Tool(
        "get_execution", "GET /executions/{id}",
        "Read one run of an agent: status, lease, input, output, error, usage, count of steps.",
        told={"id": "The execution's id, a UUID."},
    ),
    Tool(
        "record_step", "POST /executions/{id}/steps",
        "Record what you have just done or decided, as the next step of your execution. Steps are "
        "kept in order and can be replayed, compared and gone back to. With `checkpoint` and your "
        "whole `state` it is a place to return to.",
        told=_RUN | {
            "state": "Your whole state after the step: any JSON. Left out, it stays as it was.",
            "data": "The step itself: any JSON, such as a tool's name and arguments.",
            "description": "The step in a sentence.",
            "clientKey": "A name for the step: the same again gives the first one again.",
            "checkpoint": "Whether this is a place to return to.",
        },
    ),
    Tool(
        "list_steps", "GET /executions/{id}/steps",
        "List the steps of an execution, in order, without their states. When "
        "`pagination.nextCursor` is not null, send it as `cursor` for the next page.",
        told={"id": "The execution's id, a UUID."}, hidden=frozenset({"page"}),
    ),
    Tool(
        "get_state", "GET /executions/{id}/state",
        "Read the state of an execution after a step, or at a time, or by default now: to go on "
        "where it was left, or to see what went wrong.",
        told={"id": "The execution's id, a UUID."},
    ),
)  # fmt: skip
