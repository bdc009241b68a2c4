// A Shape on a ShapeStream; tells the rows whenever they have changed, and every message.
import { Shape, ShapeStream } from "@electric-sql/client";
import { given, obey, say } from "./say.mjs";

const aborter = new AbortController();
const stream = new ShapeStream({
  ...given,
  signal: aborter.signal,
  fetchClient: async (address, options) => {
    const answer = await fetch(address, options);
    const { searchParams } = new URL(address);
    const asked = ["offset", "live", "live_sse", "handle"].map((name) => [name, searchParams.get(name)]);
    say({ status: answer.status, ...Object.fromEntries(asked) });
    return answer;
  },
  onError: (error) => say({ error: error.name, status: error.status, message: error.message }),
});
stream.subscribe((messages) => {
  for (const message of messages) say({ message });
});
const shape = new Shape(stream);
shape.subscribe(({ rows }) => say({ rows }));

await obey({
  abort: () => aborter.abort(),
  state: () => ({ connected: stream.isConnected(), upToDate: stream.isUpToDate, offset: stream.lastOffset }),
});
