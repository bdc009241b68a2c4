// The first steps: what was found, a copy of it, and who is asking.

import {connect} from "./connect.js";
import {readFile} from "./files.js";
import {bytesOf} from "./sha256.js";
import {button, choice, download, h, many, size, table} from "./view.js";

/** What was found, before anything has left the browser. */
export function beginning(app) {
  const nodes = app.fromFile ? choosing(app) : [h("h2", {}, "What this browser has")];
  if (!app.dump) return nodes;
  const {keys, origin, unreadable} = app.dump;
  const names = Object.keys(keys);
  if (!names.length) {
    return [...nodes, h("p", {}, unreadable ?? `Nothing is stored here for ${origin}. Open the ` +
      "app at the address and in the browser where it is used.")];
  }
  const sized = names.map((name) => [name, bytesOf(keys[name]).length]).sort((a, b) => b[1] - a[1]);
  const whole = sized.reduce((sum, [, bytes]) => sum + bytes, 0);
  return [
    ...nodes,
    h("p", {}, `${many(names.length, "key")} of ${origin ?? "an unnamed page"}, ${size(whole)}. ` +
      "Nothing has been sent yet, and nothing is changed before you have seen what would happen."),
    table("Keys", ["Key", "Size"], sized.map(([name, bytes]) => [name || "(empty name)", size(bytes)])),
    h("div", {class: "row"},
      app.act("Continue", () => (app.connected ? app.begin() : app.show("connecting")), "main"),
      button("Download a copy", () => {
        download("roost-export.json", JSON.stringify({origin, capturedAt: app.dump.capturedAt, keys}));
        app.say("The copy is in your downloads.");
      }),
      app.notNow()),
  ];
}

function choosing(app) {
  const take = (file) => file && app.run(async () => {
    app.memory.startOver();
    app.dumps = await readFile(file);
    app.dump = app.dumps.length > 1 ? null : app.dumps[0];
    app.acted = true;
    await app.show("beginning");
  });
  const input = h("input", {type: "file", accept: ".json,application/json", onchange: () => take(input.files[0])});
  const over = (event) => {
    event.preventDefault();
    drop.classList.toggle("over", event.type === "dragover");
    if (event.type === "drop") take(event.dataTransfer.files[0]);
  };
  const drop = h("div", {class: "drop", ondragover: over, ondragleave: over, ondrop: over},
    h("label", {}, "Export file ", input), h("p", {class: "soft"}, "Or drop the file here."));
  const several = app.dumps?.length > 1 && choice("The file has several origins. Which one?",
    app.dumps.map(({origin}, index) => [String(index), origin]), String(app.dumps.indexOf(app.dump)),
    (index) => app.run(() => {
      app.memory.startOver();
      app.dump = app.dumps[index];
      app.acted = true;
      return app.show("beginning");
    }));
  return [h("h2", {}, app.dump ? "What the file has" : "Choose a file"), drop, several].filter(Boolean);
}

/** Who is asking: by Roost's window, or a token that somebody has. */
export function connecting(app) {
  const field = h("input", {type: "password", autocomplete: "off", spellcheck: "false", required: true});
  const goOn = (token, expiresAt) => {
    app.client.token = token;
    app.memory.keep({token, expiresAt});
    const {id, key} = app.memory.values;
    return id || (key && app.fromFile && !app.dump) ? app.resume() : app.begin();
  };
  const entered = (event) => {
    event.preventDefault();
    app.acted = true;
    app.run(() => goOn(field.value.trim(), null));
  };
  return [
    h("h2", {}, "Connect to Roost"),
    h("p", {}, `A window of ${app.server} asks whether ${location.origin} may migrate your data. ` +
      "The permission ends by itself."),
    h("div", {class: "row"},
      app.act("Connect", async () => {
        app.say("Waiting for Roost’s window …");
        const {token, expiresAt} = await connect(app.server, app.stopping.signal).finally(() => app.say(""));
        await goOn(token, expiresAt);
      }, "main"),
      !app.memory.values.id && app.act("Back", () => app.show("beginning")),
      app.notNow()),
    h("details", {}, h("summary", {}, "Use an access token instead"),
      h("form", {class: "row", onsubmit: entered}, h("label", {}, "Access token ", field),
        h("button", {}, "Use this token"))),
  ];
}
