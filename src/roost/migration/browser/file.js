// A file in place of a page's localStorage: an export, a plain object of raw strings, Playwright's
// storageState, or an object with a `localStorage` member.

import {choice, h, p, title} from "./view.js";

const AGAIN = "Export it again with the line for the console.";

/** The way to choose a file, and of several origins in it one. */
export function choosing(app) {
  const use = (dump) => {
    app.forget();
    app.dump = dump;
    app.acted = true;
    return app.show("beginning");
  };
  const take = (file) => file && app.run(async () => {
    app.dumps = await readFile(file);
    await use(app.dumps.length > 1 ? null : app.dumps[0]);
  });
  const input = h("input", {type: "file", accept: ".json,application/json", onchange: () => take(input.files[0])});
  const over = (event) => {
    event.preventDefault();
    drop.classList.toggle("over", event.type === "dragover");
    if (event.type === "drop") take(event.dataTransfer.files[0]);
  };
  const drop = h("div", {class: "drop", ondragover: over, ondragleave: over, ondrop: over},
    h("label", {}, "Export file ", input), p("Or drop the file here."));
  return [
    title(app.dump ? "What the file has" : "Choose a file"),
    drop,
    app.dumps?.length > 1 && choice("The file has several origins. Which one?",
      app.dumps.map(({origin}, index) => [String(index), origin]), String(app.dumps.indexOf(app.dump)),
      (index) => app.run(() => use(app.dumps[index]))),
  ];
}

/** After a migration: in this browser there is nothing to clear. */
export function goingOn() {
  return h("div", {}, h("h3", {}, "The browser’s copy"),
    p("The browser that the file is from still has its data, and from here nothing can be cleared there. " +
      "Look at your data in Roost first. Then go on with the next file, or put <roost-migrate> on the " +
      "app’s page: there it clears what is stored here and has not changed since."));
}

/** The dumps in a file, one for each origin that it has. Throws an Error that says what to do. */
export async function readFile(file) {
  const text = decoded(new Uint8Array(await file.arrayBuffer()));
  let found;
  try {
    found = JSON.parse(text);
  } catch (error) {
    throw new Error(`${file.name} is no whole JSON: ${error.message}. ${AGAIN}`);
  }
  const capturedAt = new Date(file.lastModified).toISOString();
  return dumps(found).map((dump) => ({origin: null, capturedAt, ...dump}));
}

function decoded(bytes) {
  const utf16 = {"255,254": "utf-16le", "254,255": "utf-16be"}[String(bytes.subarray(0, 2))];
  try {
    return new TextDecoder(utf16 ?? "utf-8", {fatal: true}).decode(bytes);
  } catch {
    // Not with replacement characters: what is migrated would not be what was there.
    throw new Error(`The file is no UTF-8 text. ${AGAIN} Or use the command: roost migrate FILE`);
  }
}

function dumps(found) {
  if (!isObject(found)) throw new Error(`The file holds no JSON object of keys. ${AGAIN}`);
  if (Array.isArray(found.origins)) {
    const dumps = found.origins.filter((each) => each?.localStorage)
      .map((each) => ({origin: String(each.origin), keys: strings(each.localStorage)}));
    if (!dumps.length) throw new Error("The storage state has no origin with a localStorage.");
    return dumps;
  }
  const holder = ["keys", "localStorage"].find((name) => typeof found[name] === "object" && found[name]);
  if (holder) {
    const dump = {keys: strings(found[holder])};
    if (typeof found.origin === "string") dump.origin = found.origin;
    if (typeof found.capturedAt === "string") dump.capturedAt = found.capturedAt;
    return [dump];
  }
  if (isObject(found.log)) throw new Error("A HAR file records requests and has no localStorage.");
  if ("state" in found && typeof found.state !== "string") {
    throw new Error(`This is the value of one key, not all keys. ${AGAIN}`);
  }
  return [{keys: strings(found)}];
}

function strings(keys) {
  const pairs = Array.isArray(keys)
    ? keys.map((each) => [each?.name ?? each?.key, each?.value])
    : Object.entries(keys);
  const wrong = pairs.find((pair) => pair.some((each) => typeof each !== "string"));
  if (wrong) throw new Error(`The value of "${wrong[0]}" is no raw string. ${AGAIN}`);
  if (!pairs.length) throw new Error("The file has no keys: export on the page of the app.");
  return Object.fromEntries(pairs);
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
