// A PostgreSQL in WebAssembly that follows tables; tells their rows whenever they have changed.
import { PGlite } from "@electric-sql/pglite";
import { electricSync } from "@electric-sql/pglite-sync";
import { given, obey, say } from "./say.mjs";

const database = await PGlite.create({ extensions: { electric: electricSync() } });
await database.exec(given.schema);
let last = "";
async function tell() {
  const found = {};
  for (const { table, primaryKey } of Object.values(given.shapes)) {
    found[table] = (await database.query(`select * from ${table} order by ${primaryKey.join(", ")}`)).rows;
  }
  const text = JSON.stringify(found);
  if (text !== last) say({ tables: found });
  last = text;
}
const sync = await database.electric.syncShapesToTables({
  key: null,
  shapes: given.shapes,
  onInitialSync: () => say({ initial: true }),
  onError: (error) => say({ error: error.name, message: error.message }),
});
const timer = setInterval(tell, 50);

await obey({
  stop: () => {
    clearInterval(timer);
    sync.unsubscribe();
  },
  query: async ({ sql }) => (await database.query(sql)).rows,
});
