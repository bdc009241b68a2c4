"""An app's own zustand stores, filled by use: what they have comes to Roost, and back."""

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.migration.browser.gate import closed_gate
from tests.migration.browser.home import Home
from tests.migration.browser.site import Site
from tests.migration.browser.walk import (
    DONE,
    FOUND,
    UNDONE,
    click,
    heading,
    migrate,
    plan,
    says,
    storage,
)
from tests.support.tools import BROWSER_APP

pytestmark = pytest.mark.skipif(
    not (BROWSER_APP / "node_modules" / "zustand").exists(),
    reason="needs zustand, which `make tools` installs where there is npm",
)
ESM = "/app/node_modules/zustand/esm"
IMPORTS = {"zustand/vanilla": f"{ESM}/vanilla.mjs", "zustand/middleware": f"{ESM}/middleware.mjs"}
MODULE = """
import {storesOf} from "/app/app.js";
const stores = storesOf({uuid: () => crypto.randomUUID(), now: () => new Date()});
window.app = {
  tasks: stores.makeTaskStore("task-store"),
  environments: stores.makeEnvironmentStore(),
  onboarding: stores.makeOnboarding(),
};
window.add = (title) => app.tasks.getState().addTask({
  title, description: "", messages: [{role: "user", type: "message", data: {text: title}}],
  status: "IN_PROGRESS", branch: "main", sessionId: "", repository: "acme/site", mode: "code",
  hasChanges: false, statusMessage: undefined, open: () => {},
});
"""
USE = """() => {
  const {updateTask} = app.tasks.getState();
  const say = (id, ...more) => updateTask(id, {
    messages: [...app.tasks.getState().tasks.find((task) => task.id === id).messages, ...more],
  });
  const worked = add("Fix the login redirect");
  say(worked,
    {role: "assistant", type: "local_shell_call", data: {type: "local_shell_call", call_id: "c1",
      status: "completed", action: {type: "exec", command: ["bash", "-lc", "rg login"]}}},
    {role: "assistant", type: "local_shell_call_output", data: {type: "local_shell_call_output",
      call_id: "c1", output: JSON.stringify({output: "src/login.ts", metadata: {exit_code: 0}})}});
  say(worked, {role: "assistant", type: "message", data: {type: "output_text", text: "Done ✅"}});
  updateTask(worked, {status: "DONE", sessionId: undefined});
  updateTask(add("Tidy the retry loop"), {isArchived: true});
  add("Explain “dark mode” 👩‍💻");
  for (const [name, githubToken] of [["Site", ""], ["API", "fake-token-of-a-test"]]) {
    app.environments.getState().createEnvironment({
      name, description: `For ${name}`, githubOrganization: "acme", githubToken,
      githubRepository: `acme/${name.toLowerCase()}`,
    });
  }
  app.onboarding.getState().complete();
}"""
STATUS = {"IN_PROGRESS": "in_progress", "DONE": "completed"}


@pytest.fixture
def used(page: Page, site: Site, home: Home) -> str:
    """The address of an app's page with the element, in a browser where the app was used before."""
    site.folders["/app/"] = BROWSER_APP
    stores = (
        f'<script type="importmap">{json.dumps({"imports": IMPORTS})}</script>'
        f'<script type="module">{MODULE}</script>'
    )
    page.goto(site.page(stores))
    page.evaluate(USE)
    return site.page(stores + home.element())


def state(page: Page, key: str, name: str) -> list[dict[str, Any]]:
    """What a store has kept."""
    kept = json.loads(storage(page)[key])
    assert kept["version"] == 0
    found: list[dict[str, Any]] = kept["state"][name]
    return found


def same_tasks(home: Home, kept: list[dict[str, Any]]) -> None:
    """Hold Roost's tasks and their messages to those of the store."""
    assert len(home.data("/tasks?limit=100")) == len(kept)
    for task in kept:
        there = home.data(f"/tasks/{task['id']}")
        for name in ("title", "description", "branch", "repository", "mode"):
            assert there[name] == task[name]
        assert there["status"] == STATUS[task["status"]]
        assert (there["archivedAt"] is not None) == task["isArchived"]
        for name in ("createdAt", "updatedAt"):
            assert there[name].replace("000Z", "Z") == task[name]
        messages = home.data(f"/tasks/{task['id']}/messages?limit=100")
        assert [each["payload"] for each in messages] == task["messages"]


def test_what_the_stores_had_is_in_roost_and_after_an_undo_in_the_app_again(
    page: Page, used: str, home: Home
) -> None:
    before = storage(page)
    assert before.keys() == {"task-store", "environments", "user-storage"}
    page.goto(used)
    migrate(page)
    assert storage(page) == before
    same_tasks(home, state(page, "task-store", "tasks"))
    kept = state(page, "environments", "environments")
    there = {each["id"]: each for each in home.data("/environments")}
    assert [
        (each["name"], each["description"], each["repository"], len(each["secrets"]))
        for each in (there[one["id"]] for one in kept)
    ] == [("Site", "For Site", "acme/site", 0), ("API", "For API", "acme/api", 1)]
    assert home.data("/users/me")["preferences"]["user-storage"] == {"hasCompletedOnboarding": True}

    page.evaluate("app.environments.getState().updateEnvironment(0, {name: 'Renamed since'})")
    click(page, "Clear 3 keys in this browser")
    says(page, "2 keys cleared.")
    assert storage(page).keys() == {"environments"}
    assert state(page, "environments", "environments")[0]["name"] == "Renamed since"

    with page.expect_download() as downloading:
        click(page, "Download what Roost received")
    backup = json.loads(downloading.value.path().read_text("utf-8"))
    assert backup["keys"] == before
    click(page, "Undo this migration")
    heading(page, UNDONE)
    assert home.data("/tasks?limit=100") == home.data("/environments") == []

    page.evaluate("(keys) => Object.assign(localStorage, keys)", backup["keys"])
    page.reload()
    heading(page, UNDONE)
    assert page.evaluate("app.tasks.getState().tasks.map((task) => task.title)") == [
        "Fix the login redirect",
        "Tidy the retry loop",
        "Explain “dark mode” 👩‍💻",
    ]
    assert storage(page) == before


def test_what_the_app_writes_while_it_is_migrated_stays_and_comes_by_a_second_pass(
    page: Page, used: str, home: Home
) -> None:
    page.goto(used)
    plan(page)
    with closed_gate(home.database, "Fix the login redirect") as gate:
        click(page, "Migrate now")
        heading(page, "Migrating")
        page.evaluate("add('Typed meanwhile')")
        gate.open()
        heading(page, DONE)
    page.evaluate("add('Typed after it')")
    click(page, "Clear 3 keys in this browser")
    says(page, "2 keys cleared.")
    assert storage(page).keys() == {"task-store"}
    click(page, "Migrate 1 changed key")
    heading(page, FOUND)
    expect(page.get_by_role("region", name="Keys").get_by_role("row")).to_have_count(2)
    migrate(page)
    kept = state(page, "task-store", "tasks")
    assert [each["title"] for each in kept[3:]] == ["Typed meanwhile", "Typed after it"]
    same_tasks(home, kept)
    click(page, "Clear 1 key in this browser")
    says(page, "1 key cleared.")
    assert storage(page) == {}
