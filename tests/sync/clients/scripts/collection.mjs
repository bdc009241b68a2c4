// A TanStack DB collection of tasks: what it shows, and changes that are shown before they are made.
import { createCollection } from "@tanstack/db";
import { electricCollectionOptions } from "@tanstack/electric-db-collection";
import { given, obey, say } from "./say.mjs";

const headers = { Authorization: `Bearer ${given.token}` };

async function call(method, path, body) {
  const answer = await fetch(`${given.url}/api/v1/tasks${path}`, {
    method,
    headers: { ...headers, "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
  const txid = Number(answer.headers.get("roost-txid"));
  say({ written: path, txid });
  return { txid, timeout: given.timeout ?? 20000 };
}

const tasks = createCollection(
  electricCollectionOptions({
    id: "tasks",
    getKey: (task) => task.id,
    shapeOptions: {
      url: `${given.url}/v1/shape`,
      params: { table: "tasks", ...given.params },
      headers,
    },
    onInsert: ({ transaction: { mutations: [{ modified }] } }) => call("POST", "", modified),
    onUpdate: ({ transaction: { mutations: [{ original, changes }] } }) => call("PATCH", `/${original.id}`, changes),
    onDelete: ({ transaction: { mutations: [{ original }] } }) => call("DELETE", `/${original.id}`),
  }),
);
const show = () => say({ rows: tasks.toArray.map(({ id, title, status }) => ({ id, title, status })) });
tasks.subscribeChanges(show);
await tasks.preload();
show();

await obey({
  insert: async ({ task }) => {
    const made = tasks.insert(task);
    say({ shownAtOnce: tasks.has(task.id), state: made.state });
    await made.isPersisted.promise;
    return { state: made.state, has: tasks.has(task.id) };
  },
  update: async ({ id, fields }) => {
    const made = tasks.update(id, (draft) => Object.assign(draft, fields));
    await made.isPersisted.promise;
    return { ...tasks.get(id), state: made.state };
  },
  remove: async ({ id }) => {
    await tasks.delete(id).isPersisted.promise;
    return tasks.has(id);
  },
  await: ({ txid, timeout }) => tasks.utils.awaitTxId(txid, timeout),
});
