// Server-sent events read by `fetch`: an EventSource cannot send a token.

const SILENCE_SECONDS = 25;

/** There are no events to be had this way. */
export class SilentError extends Error {}

/** Each event as `{id, type, data}`, until the stream ends. */
export async function* events(url, options) {
  const answer = await fetch(url, options);
  if (answer.status === 204) return;
  if (!answer.ok || !answer.body) throw new SilentError(`no events: ${answer.status}`);
  const reader = answer.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (;;) {
      const {done, value} = await soon(reader.read());
      if (done) return;
      const blocks = (text + decoder.decode(value, {stream: true})).split("\n\n");
      text = blocks.pop();
      for (const block of blocks) {
        const event = parsed(block);
        if (event.data !== undefined) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function soon(reading) {
  let timer;
  const silence = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new SilentError("silence")), SILENCE_SECONDS * 1000);
  });
  return Promise.race([reading, silence]).finally(() => clearTimeout(timer));
}

function parsed(block) {
  const event = {};
  for (const line of block.split("\n")) {
    const [, name, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (name === "data") event.data = JSON.parse(value);
    else if (name === "id") event.id = value;
    else if (name === "event") event.type = value;
  }
  return event;
}
