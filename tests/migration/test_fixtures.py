"""A browser's own export and the garbage one: every item of both is accounted for."""

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from roost.migration.drafts import EnvironmentDraft, TaskDraft
from roost.migration.model import Kind, Verdict
from roost.migration.octets import view
from roost.migration.parse import Parsed, parse
from roost.migration.sources import Dump, read_dump
from tests.fixtures import garbage
from tests.migration.parsing import NOW, OWNER, check, codes, document, items_of

FIXTURES = Path(__file__).parents[1] / "fixtures"


def load(name: str) -> tuple[Dump, Parsed]:
    dump = read_dump((FIXTURES / name).read_bytes(), now=NOW)
    result = parse(dump.keys, OWNER, NOW)
    check(result, len(dump.keys))
    return dump, result


@pytest.fixture(scope="module")
def browser() -> tuple[Dump, Parsed]:
    return load("browser-export.json")


@pytest.fixture(scope="module")
def damaged() -> tuple[Dump, Parsed]:
    return load("garbage-export.json")


def stored(dump: Dump, key: str) -> list[dict[str, Any]]:
    """The list in a sound store."""
    state = json.loads(bytes(view(dump.keys[key])))["state"]
    found: list[dict[str, Any]] = state["environments" if key == "environments" else "tasks"]
    return found


class TestBrowser:
    def test_every_task_comes_with_every_message_in_order(
        self, browser: tuple[Dump, Parsed]
    ) -> None:
        dump, result = browser
        total = 0
        for key in ("task-store", "claude-docker-task-store"):
            sources = stored(dump, key)
            drafts = [item.draft for item in items_of(result, key)]
            assert len(drafts) == len(sources) > 0
            for source, draft in zip(sources, drafts, strict=True):
                assert isinstance(draft, TaskDraft)
                assert draft.id == source["id"]
                assert len(draft.messages) == len(source["messages"])
                for message, kept in zip(source["messages"], draft.messages, strict=True):
                    wrapped = {"text": message} if isinstance(message, str) else message
                    assert json.loads(kept.payload) == wrapped
                    assert kept.text
                total += len(draft.messages)
        assert total > 250

    def test_nothing_is_invalid_and_only_the_cache_is_left_out(
        self, browser: tuple[Dump, Parsed]
    ) -> None:
        _, result = browser
        assert [item.key for item in result.items if item.verdict] == ["cache_repos"]
        shown = set().union(*(codes(item) for item in items_of(result, "task-store")))
        assert shown == {"TITLE_SHORTENED", "REPOSITORY_DETAILS_DROPPED"}

    def test_prompts_titles_and_dates_are_what_the_browser_stored(
        self, browser: tuple[Dump, Parsed]
    ) -> None:
        dump, result = browser
        for source, item in zip(
            stored(dump, "task-store"), items_of(result, "task-store"), strict=True
        ):
            draft = item.draft
            assert isinstance(draft, TaskDraft)
            whole = draft.metadata["legacy"].get("title", draft.title)
            assert whole == source["title"]
            assert draft.created_at.isoformat(timespec="milliseconds") == source[
                "createdAt"
            ].replace("Z", "+00:00")
            assert draft.title == source["title"] or len(source["title"]) > 255

    def test_environments_come_with_one_active_and_their_secrets_apart(
        self, browser: tuple[Dump, Parsed]
    ) -> None:
        _, result = browser
        drafts = [item.draft for item in items_of(result, "environments")]
        found = [draft for draft in drafts if isinstance(draft, EnvironmentDraft)]
        assert len(found) == 6
        assert [draft.name for draft in found if draft.is_active] == ["Old fork"]
        assert {name for draft in found for name in draft.secrets} == {
            "GITHUB_TOKEN",
            "DATABASE_PASSWORD",
            "LOG_LEVEL",
        }
        for draft in found:
            for value in draft.secrets.values():
                assert str(value) not in str(draft.config)

    def test_the_pull_requests_lost_their_weight_only(self, browser: tuple[Dump, Parsed]) -> None:
        _, result = browser
        drafts = [item.draft for item in items_of(result, "task-store")]
        found = [draft for draft in drafts if isinstance(draft, TaskDraft) and draft.pull_request]
        assert len(found) == 5
        for draft in found:
            assert draft.pull_request is not None
            assert draft.pull_request.number
            assert len(json.dumps(draft.metadata["legacy"]["pullRequest"])) < 1_500


class TestGarbage:
    def test_the_file_is_what_its_builder_makes(self) -> None:
        assert garbage.PATH.read_bytes() == garbage.build()

    def test_the_counts_add_up(self, damaged: tuple[Dump, Parsed]) -> None:
        dump, result = damaged
        counts = result.counts()
        reports = {report.key: report for report in result.keys}
        assert counts.found == len(result.items)
        assert counts.invalid == sum(report.invalid for report in result.keys) == 13
        assert counts.skip == sum(report.skipped for report in result.keys)
        tasks = garbage.dates() + garbage.ids() + garbage.texts() + garbage.conversations()
        assert reports["tasks"].found == len(tasks) + len(garbage.raw_items())
        assert reports["tasks"].invalid == 8
        assert reports["tasks"].skipped == 2
        assert {report.key for report in result.keys if report.note} == {
            "tasks-storage",
            "environment-store",
            "preserved-environments",
            "autosave-note",
        }
        assert dump.origin == garbage.ORIGIN

    def test_the_cut_store_names_its_lost_tail(self, damaged: tuple[Dump, Parsed]) -> None:
        dump, result = damaged
        items = items_of(result, "task-store")
        assert [item.reason for item in items] == [None, None, None, "TRUNCATED"]
        assert items[3].offset is not None
        assert dump.keys["task-store"][items[3].offset :] == items[3].raw

    def test_every_position_of_the_long_list_has_one_outcome(
        self, damaged: tuple[Dump, Parsed]
    ) -> None:
        _, result = damaged
        items = items_of(result, "tasks")
        assert [item.position for item in items] == list(range(len(items)))

    def test_quarantined_text_is_where_it_is_said_to_be(self, damaged: tuple[Dump, Parsed]) -> None:
        dump, result = damaged
        for item in result.items:
            if item.verdict is Verdict.INVALID and item.raw and item.key == "tasks":
                assert item.raw in bytes(view(dump.keys["tasks"]))
                assert item.offset is not None
                assert item.field is not None or item.reason == "NOT_A_TASK"

    def test_no_secret_shows_in_what_a_report_would_print(
        self, damaged: tuple[Dump, Parsed]
    ) -> None:
        _, result = damaged
        for item in result.items:
            told = repr((item.key, item.reason, item.field, item.detail, item.warnings))
            assert garbage.FAKE_GITHUB not in told
            assert garbage.FAKE_OPENAI not in told
            if item.kind in (Kind.SECRET, Kind.ENVIRONMENT):
                assert garbage.FAKE_GITHUB not in repr(item.draft)

    def test_keys_that_nobody_knows_are_kept_word_for_word(
        self, damaged: tuple[Dump, Parsed]
    ) -> None:
        dump, result = damaged
        for item in result.items:
            if item.kind is Kind.UNKNOWN and item.key in dump.keys:
                kept = document(item)
                raw = b64decode(kept.raw) if kept.encoding == "base64" else kept.raw.encode()
                assert raw == dump.keys[item.key]
