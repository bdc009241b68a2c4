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
import { capture, captured } from "./storage.js";

export { Client, capture };

/**
 * Migrates without a page of its own. Resolves with the migration when it has ended or waits.
 * `config` is that of the API; `onProgress` is told of each step.
 */
export async function migrate({ server, token, keys = captured.keys, config = {}, onProgress }) {
  const client = new Client(server, { token });
  const begun = await client.start({ ...captured, keys, config }, newKey());
  let migration = begun;
  for await (migration of client.watch(begun.id)) onProgress?.(migration);
  return migration;
}

if (!customElements.get("roost-migrate")) customElements.define("roost-migrate", RoostMigrate);
