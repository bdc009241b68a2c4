import { drizzle } from "drizzle-orm/node-postgres";
import { Pool } from "pg";
import * as schema from "./schema.js";

// Where the server is comes from PGHOST, PGPORT, PGUSER and PGDATABASE. As many connections as Roost,
// and kept while other contenders have their turn.
const pool = new Pool({ max: 20, idleTimeoutMillis: 0 });

export const db = drizzle({ client: pool, schema });
