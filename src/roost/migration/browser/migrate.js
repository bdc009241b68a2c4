/* Moves a page's localStorage to Roost. `import {migrate} from "https://roost.example/migrate.js"` as
 * the first import of an app, or <roost-migrate server="https://roost.example"></roost-migrate>. */

// First: its siblings take time, and an app's stores must not come before the copy.
import {capture} from "./migrate/capture.js";
import {clear} from "./migrate/clearing.js";
import {Client} from "./migrate/client.js";
import {RoostMigrate} from "./migrate/element.js";

export {capture};

/**
 * Migrate without an element; gives `{migration, clear}` when it no longer moves by itself.
 *
 * Needs a `token`, or `session: true` on Roost's own pages. `config` is that of the API; `dump` is
 * `{origin, capturedAt, keys}`. `clear()` removes from this browser what is safely in Roost and has not
 * changed since, and gives `{cleared, changed}`.
 */
export async function migrate({
  server = new URL(import.meta.url).origin, token, session, dump = capture(), config = {}, signal,
  onProgress, onTrouble,
} = {}) {
  const client = new Client({server: new URL(server).origin, token, session, signal, onTrouble});
  const migration = await client.follow(await client.start(dump, config), onProgress);
  return {migration, clear: async () => clear(await client.receipt(migration.id))};
}

if (!customElements.get("roost-migrate")) customElements.define("roost-migrate", RoostMigrate);
