// The first steps: what was found, a copy of it, and who is asking.

import {connect} from "./connect.js";
import {bytesOf} from "./sha256.js";
import {button, download, many, p, row, size, table, title} from "./view.js";

/** What was found, before anything has left the browser. */
export async function beginning(app) {
  const nodes = app.fromFile
    ? (await app.fileModule()).choosing(app)
    : [title("What this browser has")];
  if (!app.dump) return [...nodes, row(app.notNow())];
  const {unreadable, ...dump} = app.dump;
  const from = dump.origin ?? "an unnamed page";
  const keys = Object.entries(dump.keys).map(([key, value]) => [key, bytesOf(value).length]);
  if (!keys.length) {
    return [...nodes, p(unreadable ?? `Nothing is stored here for ${from}. Open the app at the ` +
      "address and in the browser where it is used."), row(app.notNow())];
  }
  keys.sort(([, a], [, b]) => b - a);
  return [
    ...nodes,
    p(`${many(keys.length, "key")} of ${from}, ${size(keys.reduce((sum, [, bytes]) => sum + bytes, 0))}. ` +
      "Nothing has been sent yet, and nothing is changed before you have seen what would happen."),
    table("Keys", ["Key", "Size"], keys.map(([key, bytes]) => [key || "(empty name)", size(bytes)])),
    row(
      app.act("Continue", () => (app.identify() ? app.begin() : app.show("connecting")), "main"),
      button("Download a copy", () => {
        download("roost-export.json", JSON.stringify(dump));
        app.say("The copy is in your downloads.");
      }),
      app.notNow()),
  ];
}

/** Who is asking: by Roost's window. */
export function connecting(app) {
  return [
    title("Connect to Roost"),
    p(`A window of ${app.server} asks whether this page may migrate your data, for an hour.`),
    row(
      app.act("Connect", async () => {
        app.say("Waiting for Roost’s window …");
        const {token, expiresAt} = await connect(app.server, app.client.signal);
        app.memory.keep({token, expiresAt});
        app.identify();
        const {id, key} = app.memory.values;
        await (id || key ? app.resume() : app.begin());
      }, "main"),
      !app.memory.values.id && app.act("Back", () => app.show("beginning")),
      app.notNow()),
  ];
}
