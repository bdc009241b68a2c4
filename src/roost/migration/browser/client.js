// Roost's migration routes: requests that are tried again when they are lost, and progress.

import {events, SilentError} from "./events.js";
import {joined} from "./view.js";

const WAITS = [0.5, 1, 2, 4, 8, 15, 15, 15];
const LATER = [429, 502, 503, 504];
const POLL_SECONDS = 1;
const UNDO_LOOKS = 10;

/** Whether a migration goes on by itself in this state. */
export const moves = ({state}) => ["received", "applying", "verifying"].includes(state);

/** A random name that no other request has; `crypto.randomUUID` is missing on plain HTTP. */
export const unique = () => Array.from(crypto.getRandomValues(new Uint8Array(16)),
  (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Roost's refusal: `status`, `code`, and a message that says what to do. */
function refusal({status}, {detail, title, hint, code}) {
  const message = joined(". ", detail ?? title ?? `Roost answered ${status}`, hint);
  return Object.assign(new Error(message), {status, code});
}

/** One Roost and a credential: a token, or with `session` the same origin's cookie. */
export class Client {
  constructor({server, token, session, signal, onTrouble = () => {}}) {
    Object.assign(this, {server, token, session, signal, onTrouble});
  }

  fetch(path, {headers, ...options} = {}) {
    return [`${this.server}/api/v1/migration${path}`, {
      ...options,
      headers: {...headers, ...this.token && {Authorization: `Bearer ${this.token}`}},
      credentials: this.session && !this.token ? "same-origin" : "omit",
      signal: this.signal,
      cache: "no-store",
    }];
  }

  /** Send until it is answered, saying so by `onTrouble`; throws when refused. */
  async send(path, options, waits = WAITS) {
    for (let attempt = 0; ; attempt++) {
      const answer = await fetch(...this.fetch(path, options)).catch((error) => this.lost(error));
      if (answer && !LATER.includes(answer.status)) {
        if (attempt) this.onTrouble("");
        if (answer.ok) return answer;
        throw refusal(answer, await answer.json().catch(() => ({})));
      }
      if (attempt === waits.length) {
        throw new Error(`Roost at ${this.server} cannot be reached. Nothing is lost: try again ` +
          "when it runs and this page has a network.");
      }
      const seconds = Number(answer?.headers.get("Retry-After")) || waits[attempt];
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

  async json(path, options, waits) {
    return (await this.send(path, options, waits)).json();
  }

  async data(path = "", options, waits) {
    return (await this.json(path, options, waits)).data;
  }

  /** Post once, however often it has to be sent. */
  post(path, body, {key = unique(), waits, Prefer = "respond-async"} = {}) {
    const headers = {"Content-Type": "application/json", "Idempotency-Key": key, Prefer};
    // JSON.stringify writes lone surrogates as escapes, so they survive.
    return this.data(path, {method: "POST", headers, body: JSON.stringify(body)}, waits);
  }

  receipt(id) {
    return this.data(`/${id}/receipt`);
  }

  /** Begin; gives the one that runs already, with `adopted: true`, when there is one. */
  async start({origin, capturedAt, keys}, config, key) {
    try {
      return await this.post("", {origin, capturedAt, keys, config}, {key});
    } catch (error) {
      if (error.code !== "MIGRATION_IN_PROGRESS") throw error;
      const {running} = await this.data();
      if (running) return {...running, adopted: true};
      // It has ended between the two answers, or one is being undone.
      await this.pause(POLL_SECONDS);
      return this.start({origin, capturedAt, keys}, config);
    }
  }

  /** Take a step; gives the migration as it is when that was done before, or elsewhere. */
  async step({id}, name, body = {}) {
    try {
      return await this.post(`/${id}/${name}`, body);
    } catch (error) {
      if (!/^MIGRATION_(STATE|IN_PROGRESS)$/.test(error.code)) throw error;
      const now = await this.data(`/${id}`);
      // Refused for the sake of another one that runs.
      if (error.code === "MIGRATION_IN_PROGRESS" && !moves(now)) throw error;
      return now;
    }
  }

  /** Undo, or undo the undo: sent once, for a second one would take the first one back. */
  async undo({id, undo}, force) {
    try {
      return await this.post(`/${id}/undo`, {force}, {waits: [], Prefer: "return=representation"});
    } catch (error) {
      if (error.status && error.code !== "MIGRATION_STATE") throw error;
      for (let look = 0; look < UNDO_LOOKS; look++) {
        const now = await this.data(`/${id}`);
        if (now.undo?.at !== undo?.at) return now;
        await this.pause(POLL_SECONDS);
      }
      throw error;
    }
  }

  /** The migration when it no longer moves by itself; tells of every change before. */
  async follow(migration, onProgress = () => {}) {
    let streams = true;
    while (moves(migration)) {
      try {
        const request = this.fetch(`/${migration.id}/events`);
        for await (migration of streams ? events(...request) : []) onProgress(migration);
      } catch (error) {
        this.lost(error);
        // What stands between keeps events back: asking is all that is left.
        if (error instanceof SilentError) streams = false;
      }
      if (moves(migration)) {
        await this.pause(POLL_SECONDS);
        migration = await this.data(`/${migration.id}`);
        onProgress(migration);
      }
    }
    return migration;
  }
}
