// Clearing keys that are safely in Roost: only on request, and only what is still as it went.

import {capture} from "./capture.js";
import {sha256} from "./sha256.js";

/** Remove the receipt's stored keys; gives the names of those `cleared` and those `changed`. */
export function clear(receipt) {
  const cleared = [];
  const changed = [];
  for (const {key, sha256: sent} of stored(receipt)) {
    if (sha256(localStorage.getItem(key)) === sent) {
      localStorage.removeItem(key);
      cleared.push(key);
    } else {
      changed.push(key);
    }
  }
  return {cleared, changed};
}

/** The receipt's keys that are safely in Roost and are still in this browser, by their names here. */
export function stored(receipt) {
  const here = new Map(Object.keys(capture({again: true}).keys).map((key) => [nameInRoost(key), key]));
  return receipt.keys.filter(({key, stored}) => stored && here.has(key))
    .map((each) => ({...each, key: here.get(each.key)}));
}

/** A database's text has neither NUL nor half a pair of surrogates. */
export function nameInRoost(key) {
  const name = key.replace(/[\0\p{Cs}]/gu, "\ufffd");
  return name === key ? key : `${name}~${sha256(key).slice(0, 12)}`;
}
