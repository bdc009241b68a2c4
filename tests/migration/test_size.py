"""Dumps made to be slow: each of these takes minutes or more if any step is quadratic."""

import json

import pytest

from tests.migration.parsing import parsed

ID = "3f2b8c1e-9d7a-4e6f-8b5c-1a2d3e4f5a6b"


def test_many_twins_of_one_big_task() -> None:
    first = {"id": ID, "title": "x" * 2_000_000}
    twins = [{"id": ID, "title": str(n)} for n in range(5_000)]
    result = parsed({"task-store": json.dumps({"state": {"tasks": [first, *twins]}})})
    assert result.keys[0].planned == 5_002  # and one document for the long title


@pytest.mark.parametrize(
    "filler", ["[", "{", '{"a":', '"', "\\", '\\"', "eyJ", "[1,", "{}", ",", "Ã", "sk-", "}]"]
)
def test_a_long_run_of_the_same(filler: str) -> None:
    raw = filler * (200_000 // len(filler))
    cut = '{"state":{"tasks":[{"id":"a","deep":'
    title = json.dumps(raw)
    parsed(
        {
            "task-store": raw,
            "tasks": f"[{raw}]",
            "taskStore": cut + raw,
            "task-data": json.dumps(raw),
            "claude-docker-task-store": f'[{{"id":"a","title":{title}}}]',
            "theme": raw,
            "mine": raw,
        }
    )


def test_very_many_small_things() -> None:
    secrets = [{"token": str(n)} for n in range(20_000)]
    odd = {f"k{n}": "\x00" for n in range(20_000)}
    result = parsed(
        {
            "environments": json.dumps([{"id": "e", "name": "e", "deep": secrets}]),
            "task-store": json.dumps([{"id": "t", "title": "t", **odd}]),
            "tasks": "[" + ",".join(["{}"] * 50_000) + "]",
        }
    )
    assert result.counts().invalid == 50_000
    assert len(next(item for item in result.items if item.key == "task-store").warnings) < 60
