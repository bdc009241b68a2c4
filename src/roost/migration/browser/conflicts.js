// Items that Roost has with other content: both sides, and what is to become of them.

import {growing, named} from "./items.js";
import {choice, h, many, p, row, table, title} from "./view.js";
import {KINDS, RESOLUTIONS} from "./words.js";

const QUERY = {verdict: "conflict"};
const SHOWN = 4000;
const SIDES = [["", "By the rules"], ["existing", "Roost’s"], ["incoming", "The browser’s"]];

/** Choices for all, for each kind and for each item; the most particular one counts. */
export async function conflicts(app) {
  const choices = app.memory.values.choices ?? {all: "", kinds: {}, fields: {}};
  const numbers = await Promise.all(Object.keys(KINDS).map(async (kind) =>
    [kind, (await app.items({...QUERY, kind, limit: 1})).pagination.total]));
  const kinds = numbers.filter(([, number]) => number);
  const whole = kinds.reduce((sum, [, number]) => sum + number, 0);
  for (const [kind] of kinds) choices.kinds[kind] ??= {all: "", items: {}};

  const pick = (legend, options, place, name, then) =>
    choice(legend, options, place[name] ?? "", (value) => {
      place[name] = value;
      app.memory.keep({choices});
      then?.(value);
    });
  const {body, load} = growing(app, QUERY, (item) => conflict(item, choices, pick));
  await load();
  return [
    title(`${many(whole)} differ${whole === 1 ? "s" : ""} from what Roost has`),
    p("Choose for all, for a kind, or for each. Nothing has been changed yet, and it can be undone."),
    pick(`For all ${whole}`, [["", "Choose below"], ...RESOLUTIONS], choices, "all"),
    ...kinds.length > 1 ? kinds.map(([kind, number]) => pick(`${KINDS[kind]} (${number})`,
      [["", "As for all"], ...RESOLUTIONS], choices.kinds[kind], "all")) : [],
    body,
    row(
      app.act("Migrate now", () => apply(app, choices, kinds), "main"),
      app.migration.state === "planned" && app.act("Back", () => app.show("preview")),
      app.notNow(), app.giveUp()),
  ];
}

async function apply(app, {all, kinds, fields}, numbers) {
  const open = numbers.filter(([kind, number]) => !all && !kinds[kind].all &&
    Object.values(kinds[kind].items).filter(Boolean).length < number);
  if (open.length) {
    throw new Error(`Some have no choice yet: ${open.map(([kind]) => KINDS[kind]).join(", ")}. ` +
      "Choose for all, or for each of them.");
  }
  const resolutions = [{resolution: all}];
  for (const [kind, each] of Object.entries(kinds)) {
    resolutions.push({kind, resolution: each.all});
    for (const [id, resolution] of Object.entries(each.items)) {
      const sides = resolution === "merge" ? Object.entries(fields[id] ?? {}) : [];
      resolutions.push({id, resolution, fields: Object.fromEntries(sides.filter(([, side]) => side))});
    }
  }
  const migration = await app.client.step(app.migration, "resolutions",
    {resolutions: resolutions.filter(({resolution}) => resolution)});
  app.memory.keep({choices: undefined});
  app.migration = migration;
  await (migration.state === "planned" ? app.next("apply") : app.go(migration));
}

function conflict(item, {kinds, fields}, pick) {
  const {id, kind, key, sourceId, conflict: {fields: names, existing, incoming}} = item;
  const parts = h("div");
  const drawParts = (resolution) => parts.replaceChildren(...resolution === "merge"
    ? names.map((name) => pick(name, SIDES, fields[id] ??= {}, name)) : []);
  drawParts(kinds[kind].items[id]);
  return h("div", {class: "item"},
    h("h4", {}, named(item)),
    table(`What differs in ${sourceId ?? key}`, ["Field", "In Roost", "In the browser"],
      names.map((name) => [name, shown(existing, name), shown(incoming, name)])),
    pick("For this one", [["", "As above"], ...RESOLUTIONS], kinds[kind].items, id, drawParts),
    parts);
}

function shown(side, name) {
  if (!(name in side)) return h("span", {class: "soft"}, "not shown");
  const text = typeof side[name] === "string" ? side[name] : JSON.stringify(side[name], null, 1);
  return h("pre", {}, text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text);
}
