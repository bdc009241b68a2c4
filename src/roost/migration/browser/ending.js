// A migration under way, and what came of it.

import {clear, stored} from "./clearing.js";
import {capture} from "./capture.js";
import {folded} from "./items.js";
import {download, duration, h, many, size, table} from "./view.js";
import {KINDS} from "./words.js";

const PHASES = {received: "Roost reads what was sent", applying: "Writing", verifying: "Checking what was written"};
const TITLES = {
  completed: "Your data are in Roost", failed: "The migration failed", cancelled: "The migration was cancelled",
  undone: "The migration was undone",
};
const SPOKEN_MS = 10000;

/** Progress that counts what is committed. */
export function progress(app) {
  const bar = h("progress", {"aria-label": "Progress"});
  const phase = h("p");
  const pace = h("p", {class: "soft"});
  let spoken = 0;
  app.progressed = ({state, progress: now}) => {
    phase.textContent = `${PHASES[state] ?? state}${now.currentKey ? `: ${now.currentKey}` : ""}`;
    if (now.total) {
      bar.max = now.total;
      bar.value = now.done;
    } else {
      bar.removeAttribute("value");
    }
    const parts = [now.total && `${now.done} of ${many(now.total, "item")}`,
      now.itemsPerSecond && `${many(Math.round(now.itemsPerSecond), "item")} a second`,
      now.etaSeconds && `about ${duration(now.etaSeconds)} left`];
    pace.textContent = parts.filter(Boolean).join(", ");
    if (Date.now() - spoken < SPOKEN_MS) return;
    spoken = Date.now(); // each event read aloud would be noise
    app.say(now.total ? `${Math.floor(100 * now.done / now.total)} %` : "");
  };
  app.progressed(app.migration);
  return [
    h("h2", {}, app.migration.state === "received" ? "Looking at your data" : "Migrating"),
    app.adopted && h("p", {class: "note"}, "A migration was running already: this is that one."),
    phase, bar, pace,
    h("p", {}, "It goes on in Roost if this page is closed; open it again to see where it is."),
  ];
}

/** What came of it, the way back, and the browser's copy. */
export async function result(app) {
  const {migration} = app;
  const {counts, error, state} = migration;
  const facts = [["Found", counts.found], ["Created", counts.created], ["Changed", counts.updated],
    ["Already in Roost", counts.same], ["Left out", counts.skip], ["Not readable, kept aside", counts.invalid]];
  return [
    h("h2", {}, TITLES[state] ?? state),
    app.adopted && h("p", {class: "note"}, "A migration was running already: this is that one."),
    error && h("p", {class: "trouble"}, error.message),
    state !== "cancelled" && table("Result", ["What", "Items"], facts.map(([name, number]) => [name, String(number)])),
    counts.invalid > 0 && folded(app, `Not readable: ${many(counts.invalid, "item")}, kept aside`, {verdict: "invalid"}),
    migration.undo && report(migration.undo),
    state === "completed" && !app.fromFile && await clearing(app),
    undoing(app),
    h("div", {class: "row"},
      app.act("Download what Roost received", async () => {
        download(`${migration.id}.json`, await app.client.backup(migration.id));
        app.say("The copy is in your downloads.");
      }),
      app.act("Start again", () => app.again(), "plain")),
  ];
}

function undoing(app) {
  const {state, counts} = app.migration;
  const undone = state === "undone";
  if (!undone && !(counts.created + counts.updated)) return false;
  const force = h("input", {type: "checkbox"});
  const text = undone ? "Undo the undo" : "Undo this migration";
  return h("div", {},
    h("h3", {}, undone ? "Bring it back" : "Undo"),
    h("p", {}, undone
      ? "The undo can be taken back: what was migrated is then in Roost again."
      : "What was created or changed goes back to what it was. Now or later; an undo can be undone."),
    !undone && app.memory.values.cleared && h("p", {class: "note"},
      "This browser’s copy was cleared: download what Roost received before."),
    h("label", {}, force, "Also what somebody has changed since"),
    h("div", {class: "row"}, app.act(text, async () =>
      app.go(await app.client.undo(app.migration, force.checked)))));
}

function report({removed, restored, kept, keptCount}) {
  const names = kept.map((row) => h("li", {}, [`${KINDS[row.kind] ?? row.kind}: ${row.key ?? row.targetId}`,
    row.changedAt && `changed ${new Date(row.changedAt).toLocaleString()}`, row.changedBy && `by ${row.changedBy}`]
    .filter(Boolean).join(", ")));
  return h("div", {}, h("p", {}, `Removed: ${removed}. Put back: ${restored}. Kept: ${keptCount ?? kept.length}.`),
    names.length > 0 && [h("p", {}, "Kept, because somebody has changed them since:"), h("ul", {}, names)]);
}

async function clearing(app) {
  const receipt = await app.client.receipt(app.migration.id);
  const there = stored(receipt);
  const place = h("div", {}, h("h3", {}, "This browser’s copy"));
  const remaining = app.memory.values.cleared?.changed.filter((key) => localStorage.getItem(key) !== null);
  if (app.memory.values.cleared) return cleared(app, place, remaining);
  if (!there.length) return false;
  const bytes = there.reduce((sum, each) => sum + each.bytes, 0);
  place.append(
    h("p", {}, `${many(there.length, "key")} (${size(bytes)}) are stored in Roost and still here. Clear them only if ` +
      "you want to: each is compared with the receipt first, and one that has changed stays. Close other tabs of the app."),
    h("div", {class: "row"}, app.act(`Clear ${many(there.length, "key")} in this browser`, async () => {
      const done = await clear(receipt);
      app.memory.keep({cleared: done});
      await app.show("result");
      app.tell({cleared: done.cleared});
      app.say(`${many(done.cleared.length, "key")} cleared.`);
    })));
  return place;
}

function cleared(app, place, changed) {
  place.append(h("p", {}, `${many(app.memory.values.cleared.cleared.length, "key")} cleared.`));
  if (!changed.length) return place;
  const now = capture({again: true});
  now.keys = Object.fromEntries(changed.map((key) => [key, now.keys[key]]));
  place.append(
    h("p", {class: "note"}, "These have changed since they were sent, so they stayed:"),
    h("ul", {}, changed.map((key) => h("li", {}, key))),
    h("div", {class: "row"}, app.act(`Migrate ${many(changed.length, "changed key")}`, () => app.again(now))));
  return place;
}
