/** What lies in localStorage: its raw strings, and what may be removed of them. */
import { fingerprint } from "./hash.js";

/** A copy of every key's raw string, as `POST /migration` takes it. */
export function capture() {
  const keys = Object.create(null);
  try {
    // By index: a page may have stored an item called `key` or `length`.
    const read = Storage.prototype;
    const count = Object.getOwnPropertyDescriptor(read, "length").get.call(localStorage);
    for (let index = 0; index < count; index++) {
      const name = read.key.call(localStorage, index);
      keys[name] = read.getItem.call(localStorage, name);
    }
  } catch {
    // A page without storage of its own has nothing to move.
  }
  return { origin: location.origin, capturedAt: new Date().toISOString(), keys };
}

/** The copy that was made when this module was loaded. */
export const captured = capture();

/**
 * Which keys of a receipt are still here: `same` as they were migrated, or `changed` since.
 * A key that is not safely stored is in neither.
 */
export function compare(receipt) {
  const now = capture().keys;
  const here = receipt.keys.filter((each) => each.stored && each.key in now);
  const isSame = (each) => fingerprint(now[each.key]) === each.sha256;
  return {
    same: here.filter(isSame).map((each) => each.key),
    changed: here.filter((each) => !isSame(each)).map((each) => each.key),
  };
}

/** Removes those keys of a receipt whose value is still the one that was stored; gives them. */
export function clear(receipt) {
  const { same } = compare(receipt);
  for (const key of same) Storage.prototype.removeItem.call(localStorage, key);
  return same;
}

/** The dump in a file: Roost's export, Playwright's storage state, or an object of strings. */
export function readDump(text) {
  const found = JSON.parse(text);
  const place = found.origins ? found.origins.find((each) => each.localStorage) : found;
  const held = place?.keys ?? place?.localStorage ?? place;
  const keys = Array.isArray(held)
    ? Object.fromEntries(held.map((each) => [each.name ?? each.key, each.value]))
    : held;
  const strings = Object.entries(keys ?? {});
  if (!strings.length || strings.some(([, value]) => typeof value !== "string")) {
    throw new Error("The file holds no raw strings by key. Export it again with the snippet.");
  }
  return { origin: place.origin ?? null, capturedAt: place.capturedAt ?? null, keys };
}
