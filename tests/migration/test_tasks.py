"""Stored tasks of every shape, as drafts."""

import json
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

import pytest

from roost.migration.drafts import DocumentDraft, PullRequest, TaskDraft
from roost.migration.model import Verdict
from tests.migration.parsing import NOW, codes, one_task, parsed, store, task_item

ID = "3f2b8c1e-9d7a-4e6f-8b5c-1a2d3e4f5a6b"
OLD: dict[str, Any] = {
    "id": ID,
    "title": "Fix the login",
    "description": "",
    "messages": [],
    "status": "IN_PROGRESS",
    "branch": "main",
    "sessionId": "",
    "createdAt": "2025-06-09T08:00:00.000Z",
    "updatedAt": "2025-06-10T08:00:00.000Z",
    "isArchived": False,
}
CHANGED = datetime(2025, 6, 10, 8, tzinfo=UTC)


def test_the_oldest_shape_maps_without_a_warning() -> None:
    item, draft = task_item(OLD)
    assert item.warnings == ()
    assert (item.source_id, item.target_id) == (ID, ID)
    assert draft == TaskDraft(
        id=ID,
        title="Fix the login",
        description="",
        status="in_progress",
        branch="main",
        metadata={"legacy": {}, "source": "task-store"},
        created_at=datetime(2025, 6, 9, 8, tzinfo=UTC),
        updated_at=CHANGED,
        messages=[],
    )


@pytest.mark.parametrize(
    ("stored", "status"),
    [
        *[
            (each, "in_progress")
            for each in ("IN_PROGRESS", "in-progress", "in_progress", "running")
        ],
        *[(each, "completed") for each in ("DONE", "completed", "done", "MERGED")],
        ("PAUSED", "paused"),
        *[(each, "cancelled") for each in ("CANCELLED", "canceled")],
        *[(each, "failed") for each in ("FAILED", "error")],
        *[(each, "pending") for each in ("pending", "todo")],
        ("blocked", "blocked"),
    ],
)
def test_every_known_status_has_its_place(stored: str, status: str) -> None:
    item, draft = task_item({**OLD, "status": stored})
    assert draft.status == status
    assert not codes(item)
    assert draft.completed_at == (CHANGED if status == "completed" else None)
    assert draft.metadata["legacy"] == ({"status": "MERGED"} if stored == "MERGED" else {})


@pytest.mark.parametrize("stored", ["HALF_DONE", 17, ["DONE"], {"a": 1}, True])
def test_an_unknown_status_is_kept_and_the_row_too(stored: Any) -> None:
    item, draft = task_item({**OLD, "status": stored})
    assert (draft.status, draft.metadata["legacy"]) == ("pending", {"status": stored})
    assert codes(item) == {"UNKNOWN_STATUS"}


@pytest.mark.parametrize("stored", ["", None])
def test_a_missing_status_is_pending_with_a_warning(stored: Any) -> None:
    item, draft = task_item({**OLD, "status": stored})
    assert draft.status == "pending"
    assert codes(item) == {"STATUS_MISSING"}


def test_priority_is_never_invented() -> None:
    assert one_task({**OLD, "hasChanges": True, "mode": "ask"}).priority == "medium"
    assert one_task({**OLD, "priority": "HIGH"}).priority == "high"
    item, draft = task_item({**OLD, "priority": "whenever"})
    assert (draft.priority, draft.metadata["legacy"]["priority"]) == ("medium", "whenever")
    assert codes(item) == {"UNKNOWN_PRIORITY"}


def test_unknown_fields_and_those_of_forks_are_kept() -> None:
    extra = {"feedback": "up", "runId": "r1", "containerConnections": [1, {"a": None}], "x y": 1.5}
    draft = one_task({**OLD, **extra, "sessionId": "sbx_1"})
    assert draft.metadata["legacy"] == {**extra, "sessionId": "sbx_1"}


def test_flags_mode_repository_and_archive_map() -> None:
    draft = one_task(
        {
            **OLD,
            "isArchived": True,
            "hasChanges": True,
            "mode": "ask",
            "repository": "acme/site",
            "statusMessage": "Task paused",
            "branch": "",
            "tags": ["ui", "ui", "login"],
        }
    )
    assert draft.archived_at == CHANGED
    assert (draft.has_changes, draft.mode, draft.repository) == (True, "ask", "acme/site")
    assert (draft.status_message, draft.branch) == ("Task paused", None)
    assert draft.labels == ["ui", "login"]


class TestTitles:
    def test_a_long_prompt_is_cut_for_the_column_and_kept_in_full(self) -> None:
        prompt = "Do it all.\n" * 100
        item, draft = task_item({**OLD, "title": prompt})
        assert len(draft.title) <= 255
        assert draft.title.endswith("…")
        assert draft.description == prompt
        assert draft.metadata["legacy"]["title"] == prompt
        assert codes(item) == {"TITLE_SHORTENED"}

    def test_a_description_is_not_overwritten_by_a_long_title(self) -> None:
        draft = one_task({**OLD, "title": "x" * 256, "description": "mine"})
        assert draft.description == "mine"
        assert draft.metadata["legacy"]["title"] == "x" * 256

    def test_255_characters_of_any_width_are_kept_as_they_are(self) -> None:
        assert one_task({**OLD, "title": "🎉" * 255}).title == "🎉" * 255

    def test_a_cut_does_not_split_a_combined_letter(self) -> None:
        title = one_task({**OLD, "title": "a" * 253 + "e\u0301" + "b" * 50}).title
        assert title == "a" * 253 + "…"

    def test_ten_megabytes_go_to_a_document_of_their_own(self) -> None:
        prompt = "word " * 2_000_000
        items = parsed({"task-store": store([{**OLD, "title": prompt}])}).items
        task, kept = items[0].draft, items[1].draft
        assert isinstance(task, TaskDraft)
        assert isinstance(kept, DocumentDraft)
        assert kept.raw == prompt
        assert len(task.description) == 100_000
        assert task.metadata["legacy"]["title"] == {
            "document": kept.id,
            "characters": len(prompt),
        }

    @pytest.mark.parametrize("title", [None, "", "   ", [], {"a": 1}, 5])
    def test_without_one_it_comes_from_what_the_user_said(self, title: Any) -> None:
        said = [{"role": "user", "type": "message", "data": {"text": "please\nhelp", "id": ID}}]
        item, draft = task_item({**OLD, "title": title, "messages": said})
        assert draft.title == "please help"
        assert codes(item) & {"TITLE_MISSING", "WRONG_TYPE"}
        assert one_task({**OLD, "title": title}).title == "Untitled"

    def test_content_is_never_sanitised(self) -> None:
        text = "<script>alert(1)</script> javascript:void(0) %s {{x}}"
        assert one_task({**OLD, "title": text, "description": text}).title == text


def test_an_overlong_description_is_kept_in_full_beside_the_row() -> None:
    text = "é" * 100_001
    items = parsed({"task-store": store([{**OLD, "description": text}])}).items
    task, kept = items[0].draft, items[1].draft
    assert isinstance(task, TaskDraft)
    assert isinstance(kept, DocumentDraft)
    assert (task.description, kept.raw) == (text[:100_000], text)
    assert codes(items[0]) == {"DESCRIPTION_SHORTENED"}


class TestMessages:
    def test_all_three_historic_forms_keep_their_order_and_payload(self) -> None:
        event = {"role": "user", "type": "message", "data": {"text": "second", "id": ID}}
        plain = {"role": "assistant", "content": "third", "createdAt": "2025-06-09T08:00:00Z"}
        made = one_task({**OLD, "messages": ["first", event, plain]}).messages
        assert [message.position for message in made] == [0, 1, 2]
        assert [message.text for message in made] == ["first", "second", "third"]
        assert [message.role for message in made] == ["user", "user", "assistant"]
        payloads = [json.loads(message.payload) for message in made]
        assert payloads == [{"text": "first"}, event, plain]
        assert made[2].created_at == datetime(2025, 6, 9, 8, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("kind", "data", "text"),
        [
            ("message", {"type": "output_text", "text": "hi", "annotations": []}, "hi"),
            ("message", {"id": "1", "text": "", "isStreaming": True, "streamId": "stream-1"}, ""),
            (
                "local_shell_call",
                {"call_id": "c", "action": {"type": "exec", "command": ["bash", "-lc", "ls -l"]}},
                "bash -lc ls -l",
            ),
            (
                "local_shell_call_output",
                {"call_id": "c", "output": '{"output":"a\\nb","metadata":{"exit_code":0}}'},
                "a\nb",
            ),
            ("local_shell_call_output", {"call_id": "c", "output": "plain"}, "plain"),
            ("local_shell_call_output", {"call_id": "c", "output": '{"cut'}, '{"cut'),
            (
                "local_shell_call_output",
                {"output": '{"output":"a\\u0000"}'},
                '{"output":"a\\u0000"}',
            ),
            ("tool_use", {"name": "Edit", "input": {"file_path": "a.ts"}}, "Edit a.ts"),
            ("tool_use", {"name": "Read", "input": {"path": "b.ts"}}, "Read b.ts"),
            ("assistant", {"content": [{"type": "text", "text": "x"}, {"text": "y"}]}, "x\ny"),
            ("assistant", {"message": {"content": [{"type": "text", "text": "z"}]}}, "z"),
            ("result", {"exitCode": 1, "stdout": "out", "stderr": "err"}, "out\nerr"),
            ("text", {"content": "said"}, "said"),
            ("code", {"language": "ts", "code": "let a"}, "let a"),
            ("reasoning", {"summary": 1}, ""),
            ("message", None, ""),
        ],
    )
    def test_text_is_derived_and_the_payload_untouched(
        self,
        kind: str,
        data: Any,
        text: str,
    ) -> None:
        message = {"role": "assistant", "type": kind, "data": data}
        made = one_task({**OLD, "messages": [message]}).messages[0]
        assert (made.role, made.type, made.text) == ("assistant", kind, text)
        assert json.loads(made.payload) == message

    @pytest.mark.parametrize(
        ("role", "kept"),
        [("system", "system"), ("tool", "tool"), ("Human", "user"), ("narrator", "system")],
    )
    def test_roles_are_four(self, role: str, kept: str) -> None:
        assert one_task({**OLD, "messages": [{"role": role}]}).messages[0].role == kept

    def test_what_is_no_message_is_kept_in_its_place(self) -> None:
        item, draft = task_item({**OLD, "messages": [None, 5, ["x"], "said"]})
        payloads = [json.loads(message.payload) for message in draft.messages]
        assert payloads == [{"value": None}, {"value": 5}, {"value": ["x"]}, {"text": "said"}]
        assert codes(item) == {"NOT_A_MESSAGE"}

    @pytest.mark.parametrize("nothing", [None, "", [], {}])
    def test_no_messages_are_no_messages(self, nothing: Any) -> None:
        assert one_task({**OLD, "messages": nothing}).messages == []

    def test_equal_messages_get_ids_of_their_own_that_stay(self) -> None:
        twice = {**OLD, "messages": ["again", "again", "other", "again"]}
        ids = [message.id for message in one_task(twice).messages]
        assert len(set(ids)) == 4
        assert [message.id for message in one_task(twice).messages] == ids
        longer = one_task({**OLD, "messages": [*twice["messages"], "new"]}).messages
        assert [message.id for message in longer][:4] == ids
        assert all(UUID(each).version == 5 for each in ids)

    def test_five_thousand_messages_are_kept(self) -> None:
        made = one_task({**OLD, "messages": [f"line {n}" for n in range(5_000)]}).messages
        assert [message.text for message in made] == [f"line {n}" for n in range(5_000)]


class TestPullRequests:
    REPO: ClassVar[dict[str, Any]] = {
        "full_name": "acme/site",
        "owner": {"login": "acme"},
        "forks_url": "x" * 5_000,
    }
    REAL: ClassVar[dict[str, Any]] = {
        "id": 1,
        "number": 7,
        "state": "open",
        "title": "Fix",
        "body": None,
        "html_url": "https://git.example.test/acme/site/pull/7",
        "head": {"ref": "fix", "sha": "abc", "repo": REPO},
        "base": {"ref": "main", "sha": "def", "repo": REPO},
        "user": {"login": "jo"},
        "merged": False,
    }

    def test_githubs_object_is_reduced_and_its_repositories_dropped_aloud(self) -> None:
        item, draft = task_item({**OLD, "pullRequest": self.REAL})
        assert draft.pull_request == PullRequest(
            number=7,
            url="https://git.example.test/acme/site/pull/7",
            state="open",
            merged=False,
            head_ref="fix",
            head_sha="abc",
            base_ref="main",
            author="jo",
        )
        rest = draft.metadata["legacy"]["pullRequest"]
        assert rest["head"] == {"ref": "fix", "sha": "abc", "repo": {"full_name": "acme/site"}}
        assert rest["title"] == "Fix"
        assert len(json.dumps(rest)) < 1_000
        assert codes(item) == {"REPOSITORY_DETAILS_DROPPED"}

    def test_the_small_form_maps_too(self) -> None:
        small = {"url": "https://git.example.test/1", "number": 1, "status": "open"}
        found = one_task({**OLD, "pullRequest": small}).pull_request
        assert found == PullRequest(number=1, url="https://git.example.test/1", state="open")

    def test_a_merged_task_has_a_merged_pull_request(self) -> None:
        source = {**OLD, "status": "MERGED", "pullRequest": {"number": 3}}
        found = one_task(source).pull_request
        assert found is not None
        assert found.merged is True

    @pytest.mark.parametrize("odd", ["https://x", 5, ["a"], {"colour": 1}])
    def test_anything_else_is_kept_aside(self, odd: Any) -> None:
        item, draft = task_item({**OLD, "pullRequest": odd})
        assert draft.pull_request is None
        assert draft.metadata["legacy"]["pullRequest"] == odd
        assert codes(item) == {"WRONG_TYPE"}


@pytest.mark.parametrize("name", ["createdAt", "updatedAt"])
@pytest.mark.parametrize(
    "value", ["not-a-date", "2024-13-45T99:99:99.999Z", [1], "+275760-09-13T00:00Z"]
)
def test_a_bad_date_is_kept_aside_and_the_other_stands_in(name: str, value: Any) -> None:
    item, draft = task_item({**OLD, name: value})
    assert draft.created_at == draft.updated_at != NOW
    if codes(item) & {"DATE_INVALID", "DATE_OUT_OF_RANGE"}:
        assert draft.metadata["legacy"][name] == value
    assert codes(item)


def test_an_environment_is_linked_when_the_dump_has_it() -> None:
    environments = json.dumps({"state": {"environments": [{"id": "env-1", "name": "e"}]}})
    task = store([{**OLD, "environmentId": "env-1"}, {**OLD, "id": "2", "environmentId": "gone"}])
    items = parsed({"task-store": task, "environments": environments}).items
    linked, lost = items[1].draft, items[2].draft
    assert isinstance(linked, TaskDraft)
    assert isinstance(lost, TaskDraft)
    assert linked.environment_id == items[0].target_id
    assert lost.environment_id is None
    assert lost.metadata["legacy"]["environmentId"] == "gone"
    assert "ENVIRONMENT_NOT_FOUND" in codes(items[2])


def test_another_users_row_is_left_out_with_the_reason() -> None:
    item = parsed({"task-store": store([{**OLD, "userId": "somebody-else"}])}).items[0]
    assert (item.verdict, item.reason, item.field) == (Verdict.SKIP, "OTHER_USER", "userId")
    assert item.detail == (
        "its userId is 'somebody-else'; if that is you, name it in config.aliases, or with --alias"
    )


def test_numbers_too_big_for_a_double_are_kept_as_text() -> None:
    raw = json.dumps(OLD)[:-1] + ',"big":9007199254740993,"huge":1e400}'
    item, draft = task_item(raw)
    assert draft.metadata["legacy"] == {"big": "9007199254740993", "huge": "1e400"}
    assert codes(item) == {"NUMBER_KEPT_AS_TEXT"}


def test_damaged_characters_and_credentials_are_reported_not_changed() -> None:
    secret = "ghp_" + "a1" * 9
    item, draft = task_item(json.dumps({**OLD, "title": f"âœ… {secret}"}, ensure_ascii=False))
    assert draft.title == f"âœ… {secret}"
    assert codes(item) == {"MOJIBAKE", "SECRET_IN_TEXT"}
    assert secret not in repr(item.warnings)
    assert "MOJIBAKE" in codes(task_item({**OLD, "title": "âœ… escaped"})[0])
