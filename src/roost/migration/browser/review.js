/** What a plan says, and the choices where both sides have something else. */
import { button, h, many } from "./view.js";

const PAGE = 100;
const MEANINGS = {
  create: "new in Roost",
  same: "already there, equal",
  conflict: "there, with other content",
  invalid: "can’t be read; set aside, nothing is lost",
  skip: "left out, with a reason",
};
const CHOICES = {
  skip: "Keep Roost’s",
  overwrite: "Take the browser’s",
  merge: "Merge",
  keepBoth: "Keep both",
};
const SECRETS = new Set(["SECRET_ENCRYPTED", "SECRETS_ENCRYPTED"]);

const named = (item) => [item.kind, item.sourceId ?? item.key].filter(Boolean).join(" ");

function shown(value) {
  const text = typeof value === "string" ? value : JSON.stringify(value ?? null);
  return text.length > 300 ? `${text.slice(0, 300)} …` : text;
}

/** Items of one verdict, read when somebody opens them. */
function listing(client, migration, verdict, count) {
  const body = h("div");
  let cursor = "";
  const more = async () => {
    const query = { verdict, limit: PAGE, ...(cursor && { cursor }) };
    const page = await client.items(migration.id, query);
    cursor = page.pagination.nextCursor;
    body.lastChild?.remove();
    body.append(
      h("ul", {}, page.data.map((item) => {
        const why = [item.reason, item.field, item.detail, ...item.warnings.map((w) => w.code)];
        const text = why.filter(Boolean).join(", ");
        return h("li", {}, `${item.key}: ${named(item)}${text ? ` (${text})` : ""}`);
      })),
      cursor ? button("Show more", more, "quiet") : "");
  };
  const details = h("details", {},
    h("summary", {}, `${count} ${verdict}: ${MEANINGS[verdict]}`), body);
  details.addEventListener("toggle", () => !body.hasChildNodes() && more(), { once: true });
  return details;
}

/** The plan in numbers, each of which can be opened, and the secrets that were found. */
export async function verdicts(client, migration) {
  const { counts } = migration;
  const lists = Object.keys(MEANINGS)
    .filter((verdict) => counts[verdict])
    .map((verdict) => listing(client, migration, verdict, counts[verdict]));
  return h("div", {}, h("p", {}, `${many(counts.found, "item")} were found.`), lists,
    await secrets(client, migration));
}

async function secrets(client, migration) {
  const query = new URLSearchParams({ kind: "secret,environment", limit: PAGE });
  const { data } = await client.items(migration.id, query);
  const found = data.flatMap((item) =>
    item.warnings
      .filter((warning) => SECRETS.has(warning.code))
      .map((warning) => `${named(item)}${item.kind === "environment" ? `: ${warning.detail}` : ""}`));
  if (!found.length) return [];
  return h("div", {},
    h("h3", {}, "Secrets were found"),
    h("p", {}, `They lay readable in this browser. Roost keeps them encrypted and does not show
      them again; replace them where they were issued.`),
    h("ul", {}, found.map((name) => h("li", {}, name))));
}

/** The outcome in numbers, what was set aside, and what an undo has kept. */
export async function report(client, migration) {
  const { counts, undo, state } = migration;
  const parts = [`${counts.created} created`, `${counts.updated} changed`, `${counts.same} the same`];
  if (counts.skip) parts.push(`${counts.skip} left out`);
  const lists = ["conflict", "invalid", "skip"]
    .filter((verdict) => counts[verdict])
    .map((verdict) => listing(client, migration, verdict, counts[verdict]));
  const kept = state === "undone" && undo?.keptCount
    ? [h("p", {}, `${many(undo.keptCount, "row")} stayed, because somebody has changed them since:`),
       h("ul", {}, undo.kept.map((row) =>
         h("li", {}, `${row.kind} ${row.targetId}${row.changedAt ? `, ${row.changedAt}` : ""}`)))]
    : [];
  const numbers = state === "undone"
    ? `${undo.removed} removed, ${undo.restored} as they were before.`
    : `${parts.join(", ")}.`;
  return h("div", {}, h("p", {}, numbers), kept, lists);
}

/** Conflicts, side by side, with a choice for each, for each kind, and for all. */
export class Conflicts {
  static async load(client, migration) {
    const { data, pagination } = await client.items(migration.id, {
      verdict: "conflict",
      limit: PAGE,
    });
    return new Conflicts(data, pagination.total);
  }

  constructor(items, total) {
    this.items = items;
    this.total = total;
    this.rest = "skip";
    this.chosen = new Map(items.map((item) => [item.id, item.resolution ?? "skip"]));
    this.groups = new Map();
  }

  /** As `POST /resolutions` takes it: the general first. */
  answers() {
    const each = [...this.chosen].map(([id, resolution]) => ({ id, resolution }));
    return [{ resolution: this.rest }, ...each];
  }

  #choose(items, resolution) {
    for (const item of items) {
      this.chosen.set(item.id, resolution);
      this.groups.get(item.id).querySelector(`[value=${resolution}]`).checked = true;
    }
  }

  view() {
    const kinds = [...new Set(this.items.map((item) => item.kind))];
    const row = (label, items, after = () => {}) =>
      h("p", {}, h("label", {}, `${label} `, h("select", {
        onchange: ({ target }) => {
          if (!target.value) return;
          this.#choose(items, target.value);
          after(target.value);
        },
      }, h("option", { value: "" }, "one by one"),
      Object.entries(CHOICES).map(([value, text]) => h("option", { value }, text)))));
    return h("div", {},
      h("h3", {}, `${many(this.total, "item")} ${this.total > 1 ? "are" : "is"} in Roost with other content`),
      row("All of them:", this.items, (value) => (this.rest = value)),
      kinds.length > 1
        ? kinds.map((kind) => row(`All of kind ${kind}:`, this.items.filter((i) => i.kind === kind)))
        : [],
      this.items.map((item) => this.#item(item)),
      this.total > this.items.length
        ? h("p", {}, `${this.total - this.items.length} more follow the choice for all.`)
        : []);
  }

  #item(item) {
    const { fields, existing, incoming } = item.conflict;
    const group = h("fieldset", {},
      h("legend", {}, named(item)),
      h("table", {},
        h("tr", {}, h("th", {}, "Field"), h("th", {}, "In Roost"), h("th", {}, "In the browser")),
        fields.map((field) =>
          h("tr", {}, h("th", { scope: "row" }, field),
            h("td", {}, shown(existing[field])), h("td", {}, shown(incoming[field]))))),
      Object.entries(CHOICES).map(([value, text]) =>
        h("label", {}, h("input", {
          type: "radio",
          name: item.id,
          value,
          checked: this.chosen.get(item.id) === value,
          onchange: () => this.chosen.set(item.id, value),
        }), ` ${text}`)));
    this.groups.set(item.id, group);
    return group;
  }
}
