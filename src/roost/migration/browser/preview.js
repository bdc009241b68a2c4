// What a migration would do, looked at before it does anything.

import {folded, named, pages, total} from "./items.js";
import {h, many, table} from "./view.js";
import {KINDS, VERDICTS} from "./words.js";

const LOOKED_AT = 5000;

/** The plan: verdicts by kind, every item with its reason, and the secrets among them. */
export async function preview(app) {
  const {counts} = app.migration;
  const verdicts = Object.keys(VERDICTS).filter((verdict) => counts[verdict]);
  const open = counts.unresolved ?? counts.conflict;
  return [
    h("h2", {}, "What would happen"),
    app.adopted && h("p", {class: "note"}, "A migration was running already: this is that one."),
    h("p", {}, `${many(counts.found, "item")} found. Nothing has been changed yet.`),
    table("Items by kind", ["Kind", ...verdicts.map((verdict) => VERDICTS[verdict])], await rows(app, verdicts)),
    verdicts.map((verdict) => folded(app, `${VERDICTS[verdict]}: ${many(counts[verdict], "item")}`, {verdict})),
    secrets(app),
    h("div", {class: "row"},
      open
        ? app.act(`Decide ${many(open, "conflict")}`, () => app.show("conflicts"), "main")
        : app.act("Migrate now", () => app.next("apply"), "main"),
      app.notNow(),
      app.act("Cancel this migration", () => app.next("cancel"), "plain")),
  ].flat();
}

async function rows(app, verdicts) {
  const sums = await Promise.all(Object.keys(KINDS).map(async (kind) => [kind, await total(app, {kind})]));
  return Promise.all(sums.filter(([, sum]) => sum).map(async ([kind]) => [KINDS[kind], ...await Promise.all(
    verdicts.map(async (verdict) => String(await total(app, {kind, verdict}) || "–")))]));
}

function secrets(app) {
  const list = h("ul");
  const place = h("div");
  const look = async () => {
    let seen = 0;
    for await (const page of pages(app, {})) {
      for (const item of page) {
        const warning = item.warnings.find(({code}) => code.startsWith("SECRET"));
        if (item.kind === "secret" || warning) {
          list.append(h("li", {}, named(item), warning?.detail ? ` (${warning.detail})` : ""));
        }
      }
      if (list.children.length && !place.children.length) {
        place.append(h("h3", {}, "Secrets were found: rotate these"),
          h("p", {}, "They lay in this browser for every script of the page to read. Make new ones where " +
            "they come from, and end the old ones."), list);
      }
      seen += page.length;
      if (seen >= LOOKED_AT) break;
    }
  };
  look().catch(() => place.append(h("p", {}, "Secrets could not be looked for; the lists above name them.")));
  return place;
}
