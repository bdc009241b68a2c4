/** Roost's routes of migrations, over a network that may go away. */

const LONGEST_PAUSE = 8000;
/** What a server answers while it starts, or has too much to do. */
const PASSING = new Set([429, 502, 503, 504]);
/** States in which a migration moves by itself. */
const MOVING = new Set(["received", "applying", "verifying"]);

export const isMoving = (migration) => MOVING.has(migration.state);

/** A key under which a request may be sent again. */
export const newKey = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** What Roost answers when it refuses something: `code` and `hint` are of its problem document. */
export class Problem extends Error {
  constructor(status, document) {
    super(document.detail ?? document.title ?? `the server answered ${status}`);
    Object.assign(this, { status, code: document.code, hint: document.hint, document });
  }
}

export class Client {
  /**
   * `token` goes with each request; without one it is the session's cookie, on Roost's own pages.
   * `onTrouble` is told (a text, or null when it is over) while the server can't be reached.
   */
  constructor(server, { token = null, onTrouble = () => {} } = {}) {
    this.server = (server || location.origin).replace(/\/+$/, "");
    this.token = token;
    this.onTrouble = onTrouble;
    this.closed = false;
  }

  async fetch(method, path, { body, headers = {} } = {}) {
    return fetch(`${this.server}/api/v1/migration${path}`, {
      method,
      // JSON.stringify escapes lone surrogates, so they arrive.
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: this.token ? "omit" : "same-origin",
      cache: "no-store",
      headers: {
        ...(this.token && { Authorization: `Bearer ${this.token}` }),
        ...(body !== undefined && { "Content-Type": "application/json" }),
        ...headers,
      },
    });
  }

  /** Asks until there is an answer: a request is safe to repeat, changes by their key. */
  async ask(method, path, options) {
    for (let wait = 500; !this.closed; wait = Math.min(wait * 2, LONGEST_PAUSE)) {
      let after = wait;
      try {
        const answer = await this.fetch(method, path, options);
        if (!PASSING.has(answer.status)) {
          this.onTrouble(null);
          const document = await answer.json().catch(() => ({}));
          if (!answer.ok) throw new Problem(answer.status, document);
          return document;
        }
        after = Math.max(wait, 1000 * (Number(answer.headers.get("retry-after")) || 0));
      } catch (error) {
        if (error instanceof Problem) throw error;
      }
      this.onTrouble("Roost can't be reached. Nothing is lost; trying again …");
      await pause(after);
    }
    throw new Error("closed");
  }

  async change(id, step, body = {}, prefer = "respond-async") {
    const headers = { ...(prefer && { Prefer: prefer }), "Idempotency-Key": newKey() };
    return (await this.ask("POST", `/${id}/${step}`, { body, headers })).data;
  }

  /** Sends a dump; gives the migration, which goes on by itself. */
  async start(dump, key) {
    const headers = { Prefer: "respond-async", "Idempotency-Key": key };
    try {
      return (await this.ask("POST", "", { body: dump, headers })).data;
    } catch (error) {
      const { running } = error.code === "MIGRATION_IN_PROGRESS" ? await this.overview() : {};
      if (!running) throw error;
      return running;
    }
  }

  overview = async () => (await this.ask("GET", "")).data;
  get = async (id) => (await this.ask("GET", `/${id}`)).data;
  receipt = async (id) => (await this.ask("GET", `/${id}/receipt`)).data;
  apply = (id) => this.change(id, "apply");
  cancel = (id) => this.change(id, "cancel");
  resolve = (id, resolutions) => this.change(id, "resolutions", { resolutions });
  // An undo is one transaction, in which the state does not move: it is waited for.
  undo = (id, options = {}) => this.change(id, "undo", options, null);

  /** A page of verdicts: `{data, pagination}`. */
  items = (id, query) => this.ask("GET", `/${id}/items?${new URLSearchParams(query)}`);

  /** Gives the migration whenever it has moved on, until it waits or has ended. */
  async *watch(id) {
    for (;;) {
      let migration;
      try {
        for await (migration of this.events(id)) {
          yield migration;
          if (!isMoving(migration)) return;
        }
      } catch {
        // The line was cut; what follows finds out whether the server is there.
      }
      migration = await this.get(id);
      yield migration;
      if (!isMoving(migration)) return;
      await pause(500);
    }
  }

  /** Server-sent events, by `fetch`: an EventSource can't carry a token. */
  async *events(id) {
    const answer = await this.fetch("GET", `/${id}/events`, {
      headers: { Accept: "text/event-stream" },
    });
    if (!answer.ok || !answer.body) return;
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        const events = (text + value).split("\n\n");
        text = events.pop();
        for (const event of events) {
          const data = /^data: (.*)$/m.exec(event);
          if (data) yield JSON.parse(data[1]);
        }
      }
    } finally {
      reader.cancel().catch(() => {});
    }
  }
}

/**
 * Logs in by a pop-up of Roost's; gives `{token, expiresAt}`.
 * To be called from a click, or the browser blocks the pop-up.
 */
export function connect(server) {
  const base = new URL(server || location.origin);
  const state = newKey();
  const query = new URLSearchParams({ origin: location.origin, state });
  const popup = window.open(
    `${base.origin}/migrate/connect?${query}`,
    "roost-connect",
    "popup,width=520,height=640",
  );
  if (!popup) {
    return Promise.reject(new Error("The browser blocked the pop-up. Allow it and try again."));
  }
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearInterval(timer);
      removeEventListener("message", listen);
    };
    const listen = ({ origin, source, data }) => {
      if (origin !== base.origin || source !== popup) return;
      if (data?.type !== "roost-connect" || data.state !== state) return;
      stop();
      if (data.token) resolve({ token: data.token, expiresAt: data.expiresAt });
      else reject(new Error("Roost was not connected: it was refused there."));
    };
    let seen = 0;
    const timer = setInterval(() => {
      // Its last word may still be on the way when it has closed.
      if (!popup.closed || seen++ < 2) return;
      stop();
      reject(new Error("The pop-up was closed before Roost was connected. Try again."));
    }, 500);
    addEventListener("message", listen);
  });
}
