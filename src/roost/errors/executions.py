"""Problems of executions, their leases and their steps."""

from roost.errors.catalogue import entry as _entry

EXECUTION_NOT_FOUND = _entry(
    "EXECUTION_NOT_FOUND",
    404,
    "There is no such execution",
    "No execution of this workspace has that id.",
)
STEP_NOT_FOUND = _entry(
    "STEP_NOT_FOUND",
    404,
    "There is no such step",
    "The execution has no step of that number. Steps are numbered from 1, without gaps.",
)
EXECUTION_ENDED = _entry(
    "EXECUTION_ENDED",
    409,
    "The execution is not at work",
    "Only a live execution (starting, running, awaiting_input) takes steps and heartbeats. What "
    "has ended stays as it is; an expired lease ends an execution as stale.",
    "Stop working on it. To go on from one of its steps, fork it and claim the fork.",
)
EXECUTION_NOT_CLAIMED = _entry(
    "EXECUTION_NOT_CLAIMED",
    409,
    "Nobody has claimed the execution yet",
    "A queued execution waits for a claim; until then it takes no heartbeats and no results.",
    "Claim it, or start it with `status: running`.",
)
SECRETS_UNREADABLE = _entry(
    "SECRETS_UNREADABLE",
    503,
    "The environment's secrets can't be opened",
    "They were sealed with a key that the server does not have any more. The execution has ended "
    "as failed, and its task with it.",
    "Give the server the key (`ROOST_SECRET_KEYS`), or set the secrets again; then make the task "
    "pending.",
)
LEASE_EXPIRED = _entry(
    "LEASE_EXPIRED",
    409,
    "The lease has expired",
    "The lease was not renewed in time: the execution becomes stale, and somebody else may claim "
    "the task.",
    "Stop working on it, and claim again. Send heartbeats well within leaseSeconds.",
)
NOT_THE_CLAIMANT = _entry(
    "NOT_THE_CLAIMANT",
    403,
    "Somebody else holds the lease",
    "Steps, heartbeats and results come from the user who has claimed the execution. Other members "
    "may read it, add a step of the type manual, and cancel it.",
)
TASK_NOT_CLAIMABLE = _entry(
    "TASK_NOT_CLAIMABLE",
    409,
    "The task can't be worked on now",
    "Another execution of the task is live, or the task is archived, paused, blocked or cancelled.",
)
STATE_TOO_LARGE = _entry(
    "STATE_TOO_LARGE",
    413,
    "The state or the data is too large",
    "A step's `state` may have 1 MiB of JSON without spaces, its `data` 256 KiB.",
    "Keep large things (files, logs) elsewhere, and their addresses in the step.",
)
EXECUTION_LIVE = _entry(
    "EXECUTION_LIVE",
    409,
    "The execution is still at work",
    "Only an execution that has ended can be rolled back.",
    "Cancel it first, or wait for its end.",
)
NOT_A_CHECKPOINT = _entry(
    "NOT_A_CHECKPOINT",
    409,
    "The step is no checkpoint",
    "A rollback goes back to a step that was recorded with `checkpoint: true`, or whose type is "
    "`checkpoint`.",
    "List the checkpoints with GET /executions/{id}/steps?checkpoint=true.",
)
EXECUTION_TOO_LONG = _entry(
    "EXECUTION_TOO_LONG",
    422,
    "The execution is too long to be compared",
    "Two executions are compared when each has at most 10,000 steps, whose data and descriptions "
    "have at most 16 MiB together.",
    "Read its steps in pages with GET /executions/{id}/steps.",
)
CLIENT_KEY_REUSED = _entry(
    "CLIENT_KEY_REUSED",
    422,
    "The client key belongs to another step",
    "A step of this execution has that `clientKey`, and is another one: its type, description, "
    "data or state differ.",
    "Give each step a key of its own; send the same step to get the first answer again.",
)
