// The steps of <roost-migrate> in order, and what they share.

import {beginning, connecting} from "./beginning.js";
import {capture} from "./capture.js";
import {Client, moves, unique} from "./client.js";
import {conflicts} from "./conflicts.js";
import {ENDS, progress, result} from "./ending.js";
import {Memory} from "./memory.js";
import {preview} from "./preview.js";
import {css} from "./style.js";
import {button, h, note, p, row, title} from "./view.js";

const STEPS = {beginning, connecting, preview, conflicts, progress, result, left};
const CONFIG = {review: true, conflictResolution: "INTERACTIVE", continueOnError: true};

/** One <roost-migrate> at work on the steps, in its shadow `root`. */
export class Guide {
  constructor(element, root, server) {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    // A page's CSP has no say in it, unlike in <style>.
    root.adoptedStyleSheets = [sheet];
    this.page = h("div");
    this.alert = h("p", {role: "alert", class: "trouble"});
    this.status = h("p", {role: "status", class: "soft"});
    root.replaceChildren(
      h("section", {"aria-label": "Move data to Roost"}, this.page, this.alert, this.status));
    this.element = element;
    this.server = server;
    this.fromFile = element.hasAttribute("file");
    this.dump = this.fromFile ? null : capture();
    this.memory = new Memory(server);
    this.stop();
    this.run(() => this.resume());
  }

  /** Give up what is under way here; in Roost it goes on. */
  stop() {
    this.stopping?.abort();
    this.stopping = new AbortController();
    // What is under way keeps the one before, and ends with it.
    this.client = new Client({
      server: this.server,
      session: this.element.hasAttribute("session"),
      signal: this.stopping.signal,
      onTrouble: (text) => this.say(text),
    });
    this.busy = false;
  }

  get given() {
    return this.element.token || this.element.getAttribute("token");
  }

  /** Take the newest token; whether there is a credential. */
  identify() {
    this.client.token = this.given || this.memory.values.token;
    return Boolean(this.client.token || this.client.session);
  }

  /** Say something to who sees the page and to who hears it. */
  say(text) {
    this.status.textContent = text;
  }

  /** Do something that may fail; one thing at a time. */
  async run(work) {
    if (this.busy) return;
    const {signal} = this.client;
    this.busy = true;
    this.page.ariaBusy = "true";
    this.alert.textContent = "";
    try {
      await work();
    } catch (error) {
      if (!signal.aborted) await this.failed(error);
    }
    if (signal.aborted) return;
    this.busy = false;
    this.page.ariaBusy = null;
  }

  async failed(error) {
    if (error.status === 401 && this.client.session) {
      error = {message: "Log in to Roost, then load this page again."};
    } else if (error.status === 401 && !this.given) {
      this.memory.keep({token: null});
      await this.show("connecting");
      error = {message: "Roost does not know this page any more. Connect again; it goes on from here."};
    } else if (!this.step || this.step === "progress") {
      await this.show("left");
    }
    this.alert.textContent = error.message;
  }

  async show(step) {
    const nodes = await STEPS[step](this);
    if (this.adopted) nodes.splice(1, 0, note("A migration was running already: this is that one."));
    const focused = this.acted || this.element.matches(":focus-within");
    this.step = step;
    this.acted = false;
    this.page.replaceChildren(...nodes.filter(Boolean));
    this.say("");
    const heading = this.page.querySelector("h2");
    heading.tabIndex = -1;
    if (focused) heading.focus();
    this.tell();
  }

  tell() {
    const {migration, step} = this;
    const {cleared} = this.memory.values;
    const detail = {state: migration?.state ?? step, step, migration, cleared: cleared?.cleared};
    this.element.dispatchEvent(new CustomEvent("roost-migrate", {detail, bubbles: true, composed: true}));
  }

  /** A button whose work is one of `run`. */
  act(text, work, kind) {
    return button(text, () => {
      this.acted = true;
      this.run(work);
    }, kind);
  }

  /** A button that puts it away, at any step, also while something is under way. */
  notNow(text = "Not now") {
    return button(text, () => this.instead(() => this.show("left")), "plain");
  }

  giveUp() {
    return this.act("Cancel this migration", () => this.next("cancel"), "plain");
  }

  instead(work) {
    this.stop();
    this.acted = true;
    return this.run(work);
  }

  items(query) {
    return this.client.json(`/${this.migration.id}/items?${new URLSearchParams(query)}`);
  }

  /** What is particular to files; only pages that take them load it. */
  fileModule() {
    return import(new URL("./migrate/file.js", import.meta.url));
  }

  /** Go on from where the server says that it is. */
  async resume() {
    const {id, key} = this.memory.values;
    if (!this.identify() || !(id || key)) return this.show("beginning");
    if (id) {
      const found = await this.client.data(`/${id}`).catch((error) => {
        if (error.status !== 404) throw error;
      });
      if (found) return this.go(found);
    } else if (this.dump) {
      return this.begin();
    } else {
      // The page went while a file was on the way: it is running, or has to be chosen again.
      const {running} = await this.client.data();
      if (running) return this.go(running);
    }
    return this.again(this.dump);
  }

  /** Send the dump; with the key of a request that may have arrived before. */
  async begin() {
    const {key = unique(), capturedAt = this.dump.capturedAt} = this.memory.values;
    this.memory.keep({key, capturedAt});
    this.say("Sending …");
    try {
      await this.go(await this.client.start({...this.dump, capturedAt}, CONFIG, key));
    } catch (error) {
      if (!this.migration && error.status && error.status !== 401) this.memory.startOver();
      // The app has written since that request, so this is another one.
      if (error.code === "IDEMPOTENCY_KEY_REUSED") return this.begin();
      throw error;
    }
  }

  async go(migration) {
    this.migration = migration;
    this.adopted = migration.adopted ?? this.adopted;
    this.memory.keep({id: migration.id, key: undefined, capturedAt: undefined});
    if (moves(migration)) {
      await this.show("progress");
      this.migration = await this.client.follow(migration, (now) => {
        this.migration = now;
        this.progressed(now);
        this.tell();
      });
    }
    await this.show({planned: "preview", awaiting_resolution: "conflicts"}[this.migration.state] ?? "result");
  }

  /** Show one of the earlier migrations. */
  open(id) {
    return this.instead(async () => {
      this.identify();
      const migration = await this.client.data(`/${id}`);
      this.forget();
      await this.go(migration);
    });
  }

  async next(name) {
    await this.go(await this.client.step(this.migration, name));
  }

  forget() {
    this.memory.startOver();
    this.migration = this.adopted = null;
  }

  /** Begin anew with a dump: by default this browser's data as they are now. */
  async again(dump = this.fromFile ? null : capture({again: true})) {
    this.forget();
    this.dump = dump;
    await this.show("beginning");
  }
}

/** Put away, or out of reach. */
function left(app) {
  const {migration, memory: {values: {id, key}}} = app;
  const end = ENDS[migration?.state];
  return [
    title(end ?? "Paused"),
    p(end ? "You can look at it here."
      : migration && !moves(migration) ? "Nothing was changed. Roost keeps the plan; you can go on with it here."
      : id || key ? "Roost goes on with what it has received."
      : "Nothing was changed, here or in Roost."),
    row(app.act(end ? "Show it" : "Go on", () => app.resume(), "main")),
  ];
}
