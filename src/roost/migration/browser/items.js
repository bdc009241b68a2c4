// Items of a migration as lists that load when they are opened.

import {button, h, joined, list, many} from "./view.js";
import {KINDS} from "./words.js";

/** All items of a query, a page at a time. */
export async function* pages(app, query) {
  let cursor;
  do {
    const {data, pagination} = await app.items({...query, limit: 100, ...cursor && {cursor}});
    cursor = pagination.nextCursor;
    yield {data, more: cursor};
  } while (cursor);
}

/** A container that `draw` fills page by page, with a button for what follows. */
export function growing(app, query, draw) {
  const source = pages(app, query);
  const body = h("div");
  const next = button("Show more", () => app.run(load));
  async function load() {
    const {data, more} = (await source.next()).value;
    next.remove();
    body.append(...data.map(draw));
    if (more) body.append(next);
  }
  return {body, load};
}

/** The items with a verdict behind a summary. */
export function folded(app, name, number, verdict) {
  const {body, load} = growing(app, {verdict}, described);
  return h("details", {ontoggle: () => body.hasChildNodes() || app.run(load)},
    h("summary", {}, `${name}: ${many(number)}`), body);
}

/** What an item is called on the page. */
export const named = ({kind, key, sourceId}) =>
  `${KINDS[kind] ?? kind}: ${sourceId ? `${sourceId}, in ${key}` : key}`;

const plain = (code) => code.toLowerCase().replaceAll("_", " ");

function described({reason, detail, field, offset, warnings, ...item}) {
  return h("div", {class: "entry"}, h("strong", {}, named(item)), reason && h("div", {},
    joined(", ", plain(reason), detail, field && `field ${field}`, offset != null && `byte ${offset}`)),
  list(warnings.map((each) => joined(": ", plain(each.code), each.field, each.detail))));
}
