// Server-sent events read by `fetch`: an EventSource cannot send a token.

const SILENCE_MS = 25000;

/** There are no events to be had this way. */
export class SilentError extends Error {}

/** The data of each event, until the stream ends. */
export async function* events(url, options) {
  const answer = await fetch(url, options);
  if (!answer.ok || !answer.body) throw new SilentError();
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const {done, value} = await soon(reader.read());
      if (done) return;
      const blocks = (text + value).split("\n\n");
      text = blocks.pop();
      for (const block of blocks) {
        const data = /^data: (.*)$/m.exec(block);
        if (data) yield JSON.parse(data[1]);
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function soon(reading) {
  let timer;
  const silence = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new SilentError()), SILENCE_MS);
  });
  return Promise.race([reading, silence]).finally(() => clearTimeout(timer));
}
