// Clearing keys that are safely in Roost: only on request, and only what is still as it went.

import {sha256} from "./sha256.js";

/** Remove the receipt's stored keys; gives the names of those `cleared` and those `changed`. */
export async function clear(receipt, storage = localStorage) {
  const cleared = [];
  const changed = [];
  for (const {key, sha256: sent} of stored(receipt, storage)) {
    const value = storage.getItem(key);
    const same = value !== null && await sha256(value) === sent;
    // Once more, for the app may have written while the hash was made.
    if (same && storage.getItem(key) === value) {
      storage.removeItem(key);
      cleared.push(key);
    } else if (value !== null) {
      changed.push(key);
    }
  }
  return {cleared, changed};
}

/** The receipt's keys that are safely in Roost and are still in this browser. */
export function stored(receipt, storage = localStorage) {
  return receipt.keys.filter((each) => each.stored && storage.getItem(each.key) !== null);
}
