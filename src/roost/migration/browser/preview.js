// What a migration would do, looked at before it does anything.

import {folded, named, pages} from "./items.js";
import {h, list, many, p, row, table, title} from "./view.js";
import {KINDS, VERDICTS} from "./words.js";

/** The plan: verdicts by kind, every item with its reason, and the secrets among them. */
export async function preview(app) {
  app.say("Reading the plan …");
  const {counts} = app.migration;
  const verdicts = Object.keys(VERDICTS).filter((verdict) => counts[verdict]);
  const kinds = {};
  const secrets = [];
  for await (const {data} of pages(app, {})) {
    for (const item of data) {
      const sums = kinds[item.kind] ??= {};
      sums[item.verdict] = (sums[item.verdict] ?? 0) + 1;
      for (const {code, field, detail} of item.warnings) {
        if (code.startsWith("SECRET") && code !== "SECRET_RENAMED") {
          secrets.push(`${[named(item), field].filter(Boolean).join(", ")} (${detail})`);
        }
      }
    }
  }
  return [
    title("What would happen"),
    p(`${many(counts.found)} found. Nothing has been changed yet.`),
    table("Items by kind", ["Kind", ...verdicts.map((verdict) => VERDICTS[verdict])],
      Object.entries(kinds).map(([kind, sums]) =>
        [KINDS[kind] ?? kind, ...verdicts.map((verdict) => sums[verdict] ?? "–")])),
    ...verdicts.map((verdict) => folded(app, VERDICTS[verdict], counts[verdict], verdict)),
    ...secrets.length ? [
      h("h3", {}, "Secrets were found: rotate these"),
      p("They lay in this browser for every script of the page to read. Make new ones where they " +
        "come from, and end the old ones."),
      list(secrets),
    ] : [],
    row(
      counts.unresolved
        ? app.act(`Decide ${many(counts.unresolved, "conflict")}`, () => app.show("conflicts"), "main")
        : app.act("Migrate now", () => app.next("apply"), "main"),
      app.notNow(), app.giveUp()),
  ];
}
