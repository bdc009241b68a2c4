// Items of a migration as lists that load when they are opened.

import {button, h, many} from "./view.js";
import {KINDS} from "./words.js";

const PAGE = 100;

/** All items of a query, a page at a time. */
export async function* pages(app, query) {
  let cursor = null;
  do {
    const page = await app.client.items(app.migration.id, {...query, limit: PAGE, ...cursor && {cursor}});
    yield page.data;
    cursor = page.pagination.nextCursor;
  } while (cursor);
}

/** How many items there are of a query. */
export async function total(app, query) {
  return (await app.client.items(app.migration.id, {...query, limit: 1})).pagination.total;
}

/** A container that `draw` fills page by page, with a button for what follows. */
export function growing(app, query, draw) {
  const source = pages(app, query);
  const body = h("div");
  const more = button("Show more", () => app.run(load));
  async function load() {
    const {value = [], done} = await source.next();
    more.remove();
    body.append(...value.map(draw));
    if (!done && value.length === PAGE) body.append(more);
  }
  return {body, load};
}

/** The items of a query behind a summary. */
export function folded(app, summary, query) {
  const list = growing(app, query, (item) => h("ul", {}, h("li", {}, ...described(item))));
  let loaded = false;
  const details = h("details", {ontoggle: () => {
    if (!details.open || loaded) return;
    loaded = true;
    app.run(list.load);
  }}, h("summary", {}, summary), list.body);
  return details;
}

/** A code as words. */
export const plain = (code) => code.toLowerCase().replaceAll("_", " ");

export const named = ({kind, key, sourceId}) =>
  `${KINDS[kind] ?? kind}: ${sourceId ? `${sourceId}, in ${key}` : key}`;

function described(item) {
  const place = [item.field && `field ${item.field}`, item.offset != null && `byte ${item.offset}`];
  const why = [item.reason && plain(item.reason), item.detail, ...place].filter(Boolean).join(", ");
  const warnings = item.warnings.map(({code, field, detail}) =>
    h("li", {}, [plain(code), field, detail].filter(Boolean).join(": ")));
  return [h("strong", {}, named(item)), why && h("div", {}, why),
    warnings.length && h("ul", {"aria-label": many(warnings.length, "warning")}, warnings)].filter(Boolean);
}
