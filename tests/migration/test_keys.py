"""Every known key becomes what it is; what is left out says why; the rest is kept."""

import json
from base64 import b64decode
from typing import Any, ClassVar

import pytest

from roost.migration.drafts import (
    DocumentDraft,
    EnvironmentDraft,
    PreferenceDraft,
    SecretDraft,
    TaskDraft,
)
from roost.migration.keys import rule_for
from roost.migration.model import Kind, Verdict
from tests.migration.parsing import codes, document, items_of, parsed, store
from tests.migration.test_stores import TWO, A, task, titles


class TestKeys:
    @pytest.mark.parametrize(
        ("key", "raw", "kind"),
        [
            ("claude-docker-task-store", store(TWO), TaskDraft),
            ("tasks", json.dumps(TWO), TaskDraft),
            ("taskStore", store(TWO), TaskDraft),
            ("task-data", store(TWO), TaskDraft),
            ("tasks-storage", store(TWO), TaskDraft),
            ("envs", '[{"name":"e"}]', EnvironmentDraft),
            ("environment-store", '[{"name":"e"}]', EnvironmentDraft),
            ("env-data", '{"envs":[{"name":"e"}]}', EnvironmentDraft),
            ("sessions-store", '{"state":{"sessions":[{"id":"s"}]}}', DocumentDraft),
            (
                "user-storage",
                '{"state":{"hasCompletedOnboarding":true},"version":0}',
                PreferenceDraft,
            ),
            ("font-settings", '{"state":{"fontSettings":{}},"version":0}', PreferenceDraft),
            ("recent_repos", '["a/b"]', PreferenceDraft),
            ("theme", "dark", PreferenceDraft),
            ("autoSave", "true", PreferenceDraft),
            ("realTimeUpdates", "false", PreferenceDraft),
            ("notifications", "true", PreferenceDraft),
            ("kanban-columns-7", "[]", PreferenceDraft),
            ("projectsViewMode", "card", PreferenceDraft),
            ("electric_offline_queue", '[{"id":"1"}]', DocumentDraft),
            ("electric-offline-queue", '[{"id":"1"}]', DocumentDraft),
            ("electric:offline-queue", '[["1",{"id":"1"}]]', DocumentDraft),
            ("electric_auth_token", "fake-token", SecretDraft),
            ("secure_x", '{"value":"eA=="}', SecretDraft),
            ("some-oauth-key", '{"access_token":"fake"}', SecretDraft),
            ("some-key", "ghp_" + "a1" * 9, SecretDraft),
            ("form-draft-1", "{}", DocumentDraft),
            ("react-hook-form-x", "{}", DocumentDraft),
            ("autosave-x", "text", DocumentDraft),
            ("formik-x", "text", DocumentDraft),
            ("anything else", "text", DocumentDraft),
        ],
    )
    def test_each_known_key_becomes_its_kind(self, key: str, raw: str, kind: type) -> None:
        result = parsed({key: raw})
        assert result.keys[0].planned >= 1
        assert all(isinstance(item.draft, kind) for item in result.items)

    @pytest.mark.parametrize(
        ("key", "reason"),
        [
            ("github-cache-storage", "CACHE"),
            ("github_cache_x", "CACHE"),
            ("cache_x", "CACHE"),
            ("TanstackQueryDevtools.open", "INTERFACE_STATE"),
            ("ambient-agent-visualization-state", "INTERFACE_STATE"),
            ("migration-state", "OLD_MIGRATION_STATE"),
            ("migration-progress", "OLD_MIGRATION_STATE"),
            ("migration-mode", "OLD_MIGRATION_STATE"),
            ("migration-completed", "OLD_MIGRATION_STATE"),
            ("migration-status", "OLD_MIGRATION_STATE"),
            ("_migration_test", "PROBE"),
            ("_health_check_1", "PROBE"),
            ("vector-index-x", "REBUILDABLE_INDEX"),
            ("setItem", "FUNCTION_SOURCE"),
            ("getItem", "FUNCTION_SOURCE"),
            ("removeItem", "FUNCTION_SOURCE"),
            ("clear", "FUNCTION_SOURCE"),
        ],
    )
    def test_what_is_left_out_says_why(self, key: str, reason: str) -> None:
        item = parsed({key: "whatever [ it {holds"}).items[0]
        assert (item.verdict, item.reason) == (Verdict.SKIP, reason)
        assert item.detail

    @pytest.mark.parametrize(
        "key",
        [
            "performance",
            "platform",
            "information",
            "template",
            "attempts",
            "my-task-store",
            "task-store2",
            "Theme",
            "xcache_",
            "my_form-draft-1",
            "",
        ],
    )
    def test_names_that_only_resemble_known_ones_are_unknown(self, key: str) -> None:
        assert rule_for(key).kind is Kind.UNKNOWN
        assert document(parsed({key: "kept"}).items[0]).raw == "kept"

    @pytest.mark.parametrize("raw", ['{"a":', '["', "[object Object]", "x\ud800", "x\x00", "é", ""])
    def test_an_unknown_key_gives_back_its_exact_text(self, raw: str) -> None:
        kept = document(parsed({"mine": raw}).items[0])
        text = b64decode(kept.raw) if kept.encoding == "base64" else kept.raw.encode()
        assert text.decode("utf-8", "surrogatepass") == raw
        assert (kept.encoding == "base64") == any(each in raw for each in "\ud800\x00")

    def test_odd_key_names_are_kept_apart(self) -> None:
        names = [chr(0xD800), chr(0xD801), chr(0xFFFD), "__proto__"]
        result = parsed(dict.fromkeys(names, "kept"))
        assert len({item.target_id for item in result.items}) == 4
        for report in result.keys:
            report.key.encode()

    def test_a_broken_preference_is_quarantined(self) -> None:
        item = parsed({"notifications": '{"a":'}).items[0]
        assert (item.verdict, item.reason, item.raw) == (Verdict.INVALID, "TRUNCATED", b'{"a":')

    def test_secrets_are_named_and_never_shown(self) -> None:
        items = parsed({"electric_auth_token": "very-" + "hidden"}).items
        assert "very-hidden" not in repr(items[0].draft)
        assert items[0].kind is Kind.SECRET


class TestBackups:
    def test_a_copy_of_what_is_there_is_left_out(self) -> None:
        unnamed = {"title": "without an id"}
        keys = {
            "task-store": store([*TWO, task("x"), unnamed]),
            "task-store-backup": store([TWO[0], task("x"), unnamed]),
            "preserved-tasks": json.dumps(TWO),
        }
        result = parsed(keys)
        for key in ("task-store-backup", "preserved-tasks"):
            assert [item.reason for item in items_of(result, key)] == ["BACKUP_COPY"]
        assert len(titles(result.items)) == 4

    @pytest.mark.parametrize(
        "copy",
        [
            [task(A, "older")],
            [task(A) | {"messages": ["only here"]}],
            [{"title": "only here"}],
        ],
    )
    def test_a_copy_with_other_content_is_kept(self, copy: Any) -> None:
        raw = store(copy)
        result = parsed({"task-store": store(TWO), "task-store-backup": raw})
        item = items_of(result, "task-store-backup")[0]
        assert document(item).raw == raw
        assert codes(item) == {"BACKUP_HOLDS_MORE"}

    def test_a_copy_with_more_beside_its_items_is_kept(self) -> None:
        raw = json.dumps({"state": {"tasks": TWO, "drafts": ["only here"]}})
        result = parsed({"task-store": store(TWO), "task-store-backup": raw})
        assert document(items_of(result, "task-store-backup")[0]).raw == raw

    @pytest.mark.parametrize("main", [store([task(A)]), "[object Object]", store([])])
    def test_a_copy_that_holds_more_is_kept_and_not_brought_to_life(self, main: str) -> None:
        raw = store(TWO)
        result = parsed({"task-store": main, "task-store-backup": raw})
        item = items_of(result, "task-store-backup")[0]
        assert document(item).raw == raw
        assert codes(item) == {"BACKUP_HOLDS_MORE"}


class TestOfflineWrites:
    QUEUE: ClassVar[list[dict[str, Any]]] = [
        {"id": "1", "type": "insert", "table": "tasks", "data": {"title": "é"}, "retries": 0},
        {"id": "2", "type": "delete", "table": "tasks", "data": {"id": A}},
    ]

    @pytest.mark.parametrize("pairs", [False, True])
    def test_each_is_reported_and_kept_word_for_word(self, pairs: bool) -> None:  # noqa: FBT001
        members = [[each["id"], each] if pairs else each for each in self.QUEUE]
        key = "electric:offline-queue" if pairs else "electric_offline_queue"
        items = parsed({key: json.dumps(members)}).items
        assert [item.kind for item in items] == [Kind.OFFLINE_WRITE] * 2
        assert [json.loads(document(item).raw) for item in items] == members
        assert [item.source_id for item in items] == ["1", "2"]
        assert "insert in tasks" in str(items[0].warnings)

    def test_what_is_no_write_is_kept_too(self) -> None:
        items = parsed({"electric_offline_queue": '[5,null,{"type":"explode"}]'}).items
        assert [document(item).raw for item in items] == ["5", "null", '{"type":"explode"}']
