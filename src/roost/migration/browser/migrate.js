/* Moves a page's localStorage to Roost. `import {migrate} from "https://roost.example/migrate.js"` as
 * the first import of an app, or <roost-migrate server="https://roost.example"></roost-migrate>. */

// First: its siblings take time, and an app's stores must not come before the copy.
import {capture} from "./migrate/capture.js";
import {clear} from "./migrate/clearing.js";
import {Client} from "./migrate/client.js";

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

/** Attributes: `server`, `token`, `session` (Roost's own log-in), `file` (a file's data, not this page's). */
class RoostMigrate extends HTMLElement {
  async connectedCallback() {
    const root = this.shadowRoot ?? this.attachShadow({mode: "open"});
    try {
      // Later: who only calls `migrate` needs none of it.
      const {Guide} = await import("./migrate/guide.js");
      if (this.isConnected) this.guide ??= new Guide(this, root);
    } catch {
      root.textContent = "Roost cannot be reached. Load this page again when it runs.";
    }
  }

  disconnectedCallback() {
    this.guide?.stop();
    this.guide = null;
  }
}

if (!customElements.get("roost-migrate")) customElements.define("roost-migrate", RoostMigrate);
