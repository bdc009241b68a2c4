// A migration under way, and what came of it.

import {capture} from "./capture.js";
import {clear, stored} from "./clearing.js";
import {folded} from "./items.js";
import {download, h, joined, list, many, note, p, row, size, soft, table, title} from "./view.js";
import {KINDS} from "./words.js";

const PHASES = {received: "Reading what was sent", applying: "Writing", verifying: "Checking what was written"};
const SPOKEN_MS = 10000;

/** What a migration that has ended is called. */
export const ENDS = {
  completed: "Your data are in Roost", failed: "The migration failed",
  cancelled: "The migration was cancelled", undone: "The migration was undone",
};

/** Progress that counts what is committed. */
export function progress(app) {
  const bar = h("progress", {"aria-label": "Progress"});
  const phase = p();
  const pace = soft();
  let spoken = 0;
  app.progressed = ({state, progress: {done, total, itemsPerSecond, etaSeconds, currentKey}}) => {
    phase.textContent = `${PHASES[state] ?? state}${currentKey ? `: ${currentKey}` : ""}`;
    bar.max = total || 1;
    // Without a value it shows that something goes on.
    if (total) bar.value = done;
    pace.textContent = joined(", ", total && `${done.toLocaleString("en")} of ${many(total)}`,
      itemsPerSecond && `${Math.round(itemsPerSecond)} a second`,
      etaSeconds && `about ${many(Math.ceil(etaSeconds), "second")} left`);
    if (Date.now() - spoken < SPOKEN_MS) return;
    // Each event read aloud would be noise.
    spoken = Date.now();
    app.say(total ? `${Math.floor(100 * done / total)} %` : "");
  };
  app.progressed(app.migration);
  return [
    title("Migrating"),
    phase, bar, pace,
    p("It goes on in Roost if this page is closed; open it again to see where it is."),
    row(app.notNow()),
  ];
}

/** What came of it, the way back, and the browser's copy. */
export async function result(app) {
  const {counts, error, id, state, undo} = app.migration;
  const done = state === "completed";
  const facts = [["Found", counts.found], ["Created", counts.created], ["Changed", counts.updated],
    ["Already in Roost", counts.same], ["Left out", counts.skip], ["Not readable, kept aside", counts.invalid]];
  return [
    title(ENDS[state] ?? state),
    error && h("p", {class: "trouble"}, error.message),
    state !== "cancelled" && table("Result", ["What", "Items"], facts),
    counts.invalid > 0 && folded(app, "Not readable", counts.invalid, "invalid"),
    undo && p(`Removed: ${undo.removed}. Put back: ${undo.restored}. Kept, because somebody has changed ` +
      `them since: ${undo.keptCount}.`),
    undo && list(undo.kept.map(({kind, targetId, changedAt}) => joined(", ",
      `${KINDS[kind] ?? kind}: ${targetId}`, changedAt && new Date(changedAt).toLocaleString()))),
    done && (app.fromFile ? (await app.fileModule()).goingOn() : await clearing(app)),
    (state === "undone" || counts.created + counts.updated > 0) && undoing(app),
    row(
      app.act("Download what Roost received", async () => {
        download(`${id}.json`, await (await app.client.send(`/${id}/backup`)).blob());
        app.say("The copy is in your downloads.");
      }),
      app.act("Start again", () => app.again()),
      app.notNow("Close")),
  ];
}

function undoing(app) {
  const undone = app.migration.state === "undone";
  const force = h("input", {type: "checkbox"});
  return h("div", {},
    h("h3", {}, undone ? "Bring it back" : "Undo"),
    p(undone
      ? "What was migrated is then in Roost again."
      : "What was created or changed goes back to what it was, now or later."),
    !undone && app.memory.values.cleared &&
      note("This browser’s copy was cleared: download what Roost received before."),
    h("label", {}, force, "Also what somebody has changed since"),
    row(app.act(undone ? "Undo the undo" : "Undo this migration",
      async () => app.go(await app.client.undo(app.migration, force.checked)))));
}

async function clearing(app) {
  const {cleared} = app.memory.values;
  const place = h("div", {}, h("h3", {}, "This browser’s copy"));
  if (cleared) {
    place.append(p(`${many(cleared.cleared.length, "key")} cleared.`));
    const now = capture({again: true});
    now.keys = Object.fromEntries(Object.entries(now.keys).filter(([key]) => cleared.changed.includes(key)));
    const changed = Object.keys(now.keys);
    if (changed.length) {
      place.append(note("These have changed since they were sent, so they stayed:"), list(changed),
        row(app.act(`Migrate ${many(changed.length, "changed key")}`, () => app.again(now))));
    }
    return place;
  }
  const receipt = await app.client.receipt(app.migration.id);
  const there = stored(receipt);
  if (!there.length) return false;
  const keys = many(there.length, "key");
  place.append(
    p(`${keys} (${size(there.reduce((sum, {bytes}) => sum + bytes, 0))}) are stored in Roost and still here. ` +
      "Clear them if you want to, with the app’s other tabs closed: what has changed since stays."),
    row(app.act(`Clear ${keys} in this browser`, async () => {
      const now = clear(receipt);
      app.memory.keep({cleared: now});
      await app.show("result");
      app.say(`${many(now.cleared.length, "key")} cleared.`);
    })));
  return place;
}
