/**
 * Moves this page's localStorage into Roost.
 *
 *   <script type="module" src="https://roost.example/migrate.js"></script>
 *   <roost-migrate server="https://roost.example"></roost-migrate>
 *
 * or, without the element, `import { migrate } from "https://roost.example/migrate.js"`.
 *
 * Load it before the app: every raw string is copied at once, before the app's stores touch it.
 * Nothing is written to localStorage, and nothing is removed from it unless somebody asks.
 */
import { Client, newKey } from "./client.js";
import { RoostMigrate } from "./element.js";
import { capture, captured, clear } from "./storage.js";

export { Client, capture };

/**
 * Migrates without the element; gives `{migration, clear}` when it has ended or waits.
 *
 * `config` is that of the API, `dump` is `{origin, capturedAt, keys}`, `onProgress` is told of each
 * step. `clear()` removes from this browser what Roost has stored and has not changed since.
 */
export async function migrate({ server, token, dump = captured, config = {}, onProgress }) {
  const client = new Client(server ?? new URL(import.meta.url).origin, { token });
  let migration = await client.start({ ...dump, config }, newKey());
  for await (migration of client.watch(migration.id)) onProgress?.(migration);
  return { migration, clear: async () => clear(await client.receipt(migration.id)) };
}

if (!customElements.get("roost-migrate")) customElements.define("roost-migrate", RoostMigrate);
