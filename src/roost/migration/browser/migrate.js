/* Moves a page's localStorage to Roost. `import {migrate} from "https://roost.example/migrate.js"` as
 * the first import of an app, or <roost-migrate server="https://roost.example"></roost-migrate>. */

import {capture} from "./capture.js";
import {clear} from "./clearing.js";
import {Client} from "./client.js";
import {Guide} from "./guide.js";

export {capture};

const here = new URL(import.meta.url).origin;

/**
 * Migrate without an element; gives `{migration, clear}` when it no longer moves by itself.
 *
 * Needs a `token`, or `session: true` on Roost's own pages. `config` is that of the API; `dump` is
 * `{origin, capturedAt, keys}`. `clear()` removes from this browser what is safely in Roost and has not
 * changed since, and gives `{cleared, changed}`.
 */
export async function migrate({
  server = here, token, session, dump = capture(), config = {}, signal, onProgress, onTrouble,
} = {}) {
  const client = new Client({server: new URL(server).origin, token, session, signal, onTrouble});
  const migration = await client.follow(await client.start(dump, config), onProgress);
  return {migration, clear: async () => clear(await client.receipt(migration.id))};
}

/**
 * Attributes: `server`, `token` (or the property), `session` (Roost's own log-in), `file` (takes a
 * file's data and not this page's). Tells of each change by `roost-migrate` events.
 */
class RoostMigrate extends HTMLElement {
  connectedCallback() {
    const root = this.shadowRoot ?? this.attachShadow({mode: "open"});
    this.guide ??= new Guide(this, root, new URL(this.getAttribute("server") || here, location).origin);
  }

  disconnectedCallback() {
    this.guide?.stop();
    this.guide = null;
  }

  /** Show one of the earlier migrations. */
  open(id) {
    this.guide.open(id);
  }
}

if (!customElements.get("roost-migrate")) customElements.define("roost-migrate", RoostMigrate);
