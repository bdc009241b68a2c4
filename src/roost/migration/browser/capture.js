// This page's localStorage as raw strings, copied while this module is evaluated: an app's stores
// overwrite what they cannot read as soon as they start. Nothing here writes to it or patches it.

function take() {
  const dump = {origin: location.origin, capturedAt: new Date().toISOString(), keys: {}};
  try {
    // By index: a key named like a method ("setItem") is not listed among the properties.
    const names = Array.from({length: localStorage.length}, (_, index) => localStorage.key(index));
    dump.keys = Object.fromEntries(names.map((name) => [name, localStorage.getItem(name)]));
  } catch (error) {
    dump.unreadable = `This page may not read its localStorage: ${error.message}`;
  }
  return dump;
}

const first = take();

/** `{origin, capturedAt, keys}`: as it was at first, or with `{again: true}` as it is now. */
export function capture({again = false} = {}) {
  const dump = again ? take() : first;
  return {...dump, keys: {...dump.keys}};
}
