// Items that Roost has with other content: both sides, and what is to become of them.

import {growing, named, total} from "./items.js";
import {choice, h, many, table} from "./view.js";
import {KINDS, RESOLUTIONS} from "./words.js";

const QUERY = {verdict: "conflict"};
const SHOWN = 4000;
const SIDES = [["", "By the rules"], ["existing", "Roost’s"], ["incoming", "This browser’s"]];

/** Choices for all, for each kind and for each item; the most particular one counts. */
export async function conflicts(app) {
  const choices = app.memory.values.choices ?? {all: "", kinds: {}, items: {}, fields: {}};
  const keep = () => app.memory.keep({choices});
  const sums = await Promise.all(Object.keys(KINDS).map(async (kind) => [kind, await total(app, {...QUERY, kind})]));
  const kinds = sums.filter(([, sum]) => sum);
  const {body, load} = growing(app, QUERY, (item) => conflict(item, choices, keep));
  await load();
  const whole = kinds.reduce((sum, [, each]) => sum + each, 0);
  return [
    h("h2", {}, `${many(whole, "item")} differ${whole === 1 ? "s" : ""} from what Roost has`),
    h("p", {}, "Choose for all, for a kind, or for each. Nothing has been changed yet. " +
      "What loses stays in the report, and the migration can be undone."),
    choice(`For all ${whole}`, [["", "Choose below"], ...RESOLUTIONS], choices.all, (value) => {
      choices.all = value;
      keep();
    }),
    kinds.length > 1 && kinds.map(([kind, sum]) => choice(`${KINDS[kind]} (${sum})`,
      [["", "As for all"], ...RESOLUTIONS], choices.kinds[kind] ?? "", (value) => {
        choices.kinds[kind] = value;
        keep();
      })),
    body,
    h("div", {class: "row"},
      app.act("Migrate now", () => apply(app, choices, kinds), "main"),
      app.migration.state === "planned" && app.act("Back", () => app.show("preview")),
      app.notNow(),
      app.act("Cancel this migration", () => app.next("cancel"), "plain")),
  ].flat();
}

async function apply(app, choices, kinds) {
  const open = kinds.filter(([kind, sum]) => {
    const single = Object.values(choices.items).filter((each) => each.kind === kind && each.resolution);
    return !choices.all && !choices.kinds[kind] && single.length < sum;
  });
  if (open.length) {
    throw new Error(`Some have no choice yet: ${open.map(([kind]) => KINDS[kind]).join(", ")}. ` +
      "Choose for all, or for each of them.");
  }
  const entries = [
    {resolution: choices.all},
    ...Object.entries(choices.kinds).map(([kind, resolution]) => ({kind, resolution})),
    ...Object.entries(choices.items).map(([id, {resolution}]) => ({
      id, resolution, ...resolution === "merge" && {fields: chosen(choices.fields[id])},
    })),
  ];
  const resolutions = entries.filter(({resolution}) => resolution);
  const migration = await app.client.step(app.migration, "resolutions", {resolutions});
  app.memory.keep({choices: null});
  app.migration = migration;
  if (migration.state === "planned") await app.next("apply");
  else await app.go(migration);
}

const chosen = (fields = {}) => Object.fromEntries(Object.entries(fields).filter(([, side]) => side));

function conflict(item, choices, keep) {
  const {fields, existing, incoming} = item.conflict;
  const parts = h("div");
  const drawParts = (resolution) => parts.replaceChildren(...resolution === "merge"
    ? fields.map((field) => choice(field, SIDES, choices.fields[item.id]?.[field] ?? "", (side) => {
      (choices.fields[item.id] ??= {})[field] = side;
      keep();
    })) : []);
  const before = choices.items[item.id]?.resolution ?? "";
  drawParts(before);
  return h("div", {class: "item"},
    h("h4", {}, named(item)),
    table(`What differs in ${item.sourceId ?? item.key}`, ["Field", "In Roost", "In this browser"],
      fields.map((field) => [field, value(existing, field), value(incoming, field)])),
    choice("For this one", [["", "As above"], ...RESOLUTIONS], before, (resolution) => {
      choices.items[item.id] = {kind: item.kind, resolution};
      keep();
      drawParts(resolution);
    }),
    parts);
}

function value(side, field) {
  if (!(field in side)) return h("span", {class: "soft"}, "not shown");
  const text = typeof side[field] === "string" ? side[field] : JSON.stringify(side[field], null, 1);
  return h("pre", {}, text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text);
}
