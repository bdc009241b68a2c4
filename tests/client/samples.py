"""Answers of a server that is made up."""

from typing import Any

NOW = "2026-10-01T12:00:00.000000Z"
ID = "00000000-0000-7000-8000-000000000001"
TASK: dict[str, Any] = {
    "id": ID,
    "workspaceId": ID,
    "title": "Mend it",
    "description": "",
    "status": "in_progress",
    "priority": "medium",
    "mode": "code",
    "environmentId": None,
    "repository": None,
    "branch": None,
    "assigneeId": None,
    "createdBy": ID,
    "labels": [],
    "dueAt": None,
    "completedAt": None,
    "archivedAt": None,
    "statusMessage": None,
    "hasChanges": False,
    "pullRequest": None,
    "position": None,
    "metadata": {},
    "version": 2,
    "createdAt": NOW,
    "updatedAt": NOW,
}
EXECUTION: dict[str, Any] = {
    "id": ID,
    "workspaceId": ID,
    "taskId": ID,
    "environmentId": None,
    "agent": "fixer",
    "agentVersion": None,
    "status": "running",
    "claimedBy": ID,
    "leaseSeconds": 60,
    "leaseExpiresAt": NOW,
    "heartbeatAt": NOW,
    "forkedFrom": None,
    "input": None,
    "output": None,
    "error": None,
    "usage": {"tokensIn": 0, "tokensOut": 0, "cost": 0},
    "traceId": None,
    "stepCount": 0,
    "createdBy": ID,
    "version": 1,
    "createdAt": NOW,
    "updatedAt": NOW,
    "startedAt": NOW,
    "finishedAt": None,
}
CLAIMED: dict[str, Any] = {**EXECUTION, "task": TASK, "environment": None, "secrets": {}}
