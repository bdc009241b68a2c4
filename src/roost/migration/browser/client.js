// Roost's migration routes: requests that are tried again when they are lost, and progress.

import {events, SilentError} from "./events.js";

const WAITS = [0.5, 1, 2, 4, 8, 15, 15, 15];
const LATER = new Set([429, 502, 503, 504]);
const MOVING = new Set(["received", "applying", "verifying"]);
const POLL_SECONDS = 1;
const UNDO_LOOKS = 10;

/** Whether a migration goes on by itself in this state. */
export const moves = (migration) => MOVING.has(migration.state);

/** Roost's refusal: `status`, `code`, and a message that says what to do. */
export class Problem extends Error {
  constructor(status, body) {
    const parts = [body.detail ?? body.title ?? `Roost answered ${status}`, body.hint];
    super(parts.filter(Boolean).join(" "));
    this.status = status;
    this.code = body.code;
  }
}

/** A random name that no other request has; `crypto.randomUUID` is missing on plain HTTP. */
export function unique() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** One Roost and a credential: a token, or with `session` the same origin's cookie. */
export class Client {
  constructor({server, token, session = false, signal, onTrouble = () => {}}) {
    Object.assign(this, {server, token, session, signal, onTrouble});
  }

  options(headers = {}) {
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    const credentials = this.session && !this.token ? "same-origin" : "omit";
    return {headers, credentials, signal: this.signal, cache: "no-store"};
  }

  url(path) {
    return `${this.server}/api/v1/migration${path}`;
  }

  /** Send until it is answered, saying so by `onTrouble`; throws a Problem when refused. */
  async send(path, options = {}) {
    for (let attempt = 0; ; attempt++) {
      const answer = await fetch(this.url(path), {...this.options(options.headers), ...options.what})
        .catch((error) => this.lost(error));
      if (answer && !LATER.has(answer.status)) {
        if (attempt) this.onTrouble("");
        if (answer.ok) return answer;
        throw new Problem(answer.status, await answer.json().catch(() => ({})));
      }
      if (attempt === WAITS.length || options.once) {
        throw new Error(`Roost at ${this.server} cannot be reached. Nothing is lost: try again ` +
          "when it runs and this page has a network.");
      }
      const seconds = Number(answer?.headers.get("Retry-After")) || WAITS[attempt];
      this.onTrouble(`Roost did not answer; trying again in ${seconds} s.`);
      await this.pause(seconds);
    }
  }

  lost(error) {
    if (this.signal?.aborted) throw error;
  }

  /** Wait; not longer than until the network is back. */
  pause(seconds) {
    return new Promise((resolve, reject) => {
      const done = () => {
        clearTimeout(timer);
        removeEventListener("online", done);
        if (this.signal?.aborted) reject(this.signal.reason);
        else resolve();
      };
      const timer = setTimeout(done, seconds * 1000);
      addEventListener("online", done);
      this.signal?.addEventListener("abort", done, {once: true});
    });
  }

  async json(path, options) {
    return (await this.send(path, options)).json();
  }

  async data(path, options) {
    return (await this.json(path, options)).data;
  }

  /** Post once, however often it has to be sent. */
  post(path, body, {key = unique(), later = false, once = false} = {}) {
    const headers = {"Content-Type": "application/json", "Idempotency-Key": key};
    if (later) headers.Prefer = "respond-async";
    // JSON.stringify writes lone surrogates as escapes, so they survive.
    return this.data(path, {headers, once, what: {method: "POST", body: JSON.stringify(body)}});
  }

  overview() {
    return this.data("");
  }

  read(id) {
    return this.data(`/${id}`);
  }

  receipt(id) {
    return this.data(`/${id}/receipt`);
  }

  async backup(id) {
    return (await this.send(`/${id}/backup`)).blob();
  }

  /** Begin; gives the one that runs already, with `adopted: true`, when there is one. */
  async start({origin, capturedAt, keys}, config, key) {
    try {
      return await this.post("", {origin, capturedAt, keys, config}, {key, later: true});
    } catch (error) {
      if (error.code !== "MIGRATION_IN_PROGRESS") throw error;
      const {running} = await this.overview();
      // It may have ended between the two answers.
      return running ? {...running, adopted: true} : this.start({origin, capturedAt, keys}, config);
    }
  }

  /** Take a step; gives the migration as it is when that was done before, or elsewhere. */
  async step({id}, name, body = {}) {
    try {
      return await this.post(`/${id}/${name}`, body, {later: true});
    } catch (error) {
      if (error.code === "MIGRATION_STATE") return this.read(id);
      if (error.code !== "MIGRATION_IN_PROGRESS") throw error;
      const {running} = await this.overview();
      if (running?.id === id) return running;
      throw error;
    }
  }

  /** Undo, or undo the undo: sent once, for a second one would take the first one back. */
  async undo(before, force) {
    try {
      return await this.post(`/${before.id}/undo`, {force}, {once: true});
    } catch (error) {
      if (error.status && error.code !== "MIGRATION_STATE") throw error;
      let now = await this.read(before.id);
      for (let look = 0; look < UNDO_LOOKS && now.undo?.at === before.undo?.at; look++) {
        await this.pause(POLL_SECONDS);
        now = await this.read(before.id);
      }
      return now;
    }
  }

  /** The migration when it no longer moves by itself; tells of every change before. */
  async follow(migration, onProgress = () => {}) {
    let last = null;
    let streams = true;
    while (moves(migration)) {
      try {
        const path = this.url(`/${migration.id}/events`);
        const told = streams ? events(path, this.options(last ? {"Last-Event-ID": last} : {})) : [];
        for await (const event of told) {
          last = event.id;
          migration = event.data;
          onProgress(migration);
        }
      } catch (error) {
        this.lost(error);
        // What stands between keeps events back: asking is all that is left.
        if (error instanceof SilentError) streams = false;
      }
      if (!moves(migration)) break;
      await this.pause(POLL_SECONDS);
      migration = await this.read(migration.id);
      onProgress(migration);
    }
    return migration;
  }

  /** A page of items: `{data, pagination}`. */
  items(id, query) {
    return this.json(`/${id}/items?${new URLSearchParams(query)}`);
  }
}
