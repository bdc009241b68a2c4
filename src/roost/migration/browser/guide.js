// The steps of <roost-migrate> in order, and what they share.

import {beginning, connecting} from "./beginning.js";
import {capture} from "./capture.js";
import {Client, moves, unique} from "./client.js";
import {conflicts} from "./conflicts.js";
import {progress, result} from "./ending.js";
import {Memory} from "./memory.js";
import {preview} from "./preview.js";
import {css} from "./style.js";
import {button, h} from "./view.js";

const STEPS = {beginning, connecting, preview, conflicts, progress, result, left, lost};
const CONFIG = {review: true, conflictResolution: "INTERACTIVE", continueOnError: true};

/** One <roost-migrate> at work; the element itself is a shell that is there before this is loaded. */
export class Guide {
  constructor(element, root) {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    root.adoptedStyleSheets = [sheet]; // a page's CSP has no say in it, unlike in <style>
    this.element = element;
    this.page = h("div");
    this.alert = h("p", {role: "alert", class: "trouble"});
    this.status = h("p", {role: "status", class: "soft"});
    root.replaceChildren(
      h("section", {"aria-label": "Move data to Roost"}, this.page, this.alert, this.status));
    this.server = new URL(element.getAttribute("server") || import.meta.url, location.href).origin;
    this.fromFile = element.hasAttribute("file");
    this.dump = this.fromFile ? null : capture();
    this.memory = new Memory(this.server);
    this.stopping = new AbortController();
    this.given = element.getAttribute("token");
    this.client = new Client({
      server: this.server,
      token: this.given || this.memory.values.token,
      session: element.hasAttribute("session"),
      signal: this.stopping.signal,
      onTrouble: (text) => this.say(text),
    });
    this.run(() => this.resume());
  }

  stop() {
    this.stopping.abort();
  }

  get connected() {
    return Boolean(this.client.token) || this.client.session;
  }

  /** Say something to who sees the page and to who hears it. */
  say(text) {
    this.status.textContent = text;
  }

  warn(text) {
    this.alert.textContent = text;
  }

  /** Do something that may fail; one thing at a time. */
  async run(work) {
    if (this.busy) return;
    this.busy = true;
    this.page.setAttribute("aria-busy", "true");
    this.warn("");
    try {
      await work();
    } catch (error) {
      if (!this.stopping.signal.aborted) await this.failed(error);
    } finally {
      this.busy = false;
      this.page.removeAttribute("aria-busy");
    }
  }

  async failed(error) {
    if (error.status === 401 && !this.client.session && !this.given) {
      this.client.token = null;
      this.memory.keep({token: null});
      await this.show("connecting");
      this.warn("Roost does not know this page any more. Connect again; it goes on from here.");
    } else {
      if (!this.step || this.step === "progress") await this.show("lost");
      this.warn(error.status === 401 ? "Log in to Roost, then load this page again." : error.message);
    }
  }

  async show(step) {
    const nodes = await STEPS[step](this);
    const focused = this.element.matches(":focus-within") || this.acted;
    this.step = step;
    this.acted = false;
    this.page.replaceChildren(...nodes.filter(Boolean));
    this.say("");
    const heading = this.page.querySelector("h2");
    heading.tabIndex = -1;
    if (focused) heading.focus();
    this.tell();
  }

  tell(extra) {
    const detail = {state: this.migration?.state ?? this.step, migration: this.migration, ...extra};
    this.element.dispatchEvent(new CustomEvent("roost-migrate", {detail, bubbles: true, composed: true}));
  }

  /** A button whose work is one of `run`. */
  act(text, work, kind) {
    return button(text, () => {
      this.acted = true;
      this.run(work);
    }, kind);
  }

  /** Go on from where the server says that it is. */
  async resume() {
    const {id, key} = this.memory.values;
    if (!this.connected || !(id || key)) return this.show("beginning");
    if (id) {
      const found = await this.client.read(id).catch((error) => {
        if (error.status !== 404) throw error;
      });
      if (found) return this.go(found);
    } else if (!this.fromFile) {
      return this.begin();
    } else {
      const {running} = await this.client.overview();
      if (running) return this.go(running);
    }
    this.memory.startOver();
    return this.show("beginning");
  }

  /** Send the dump; with the key of a request that may have arrived before. */
  async begin() {
    const kept = this.memory.values;
    this.memory.keep({key: kept.key ?? unique(), capturedAt: kept.capturedAt ?? this.dump.capturedAt});
    this.say("Sending …");
    const dump = {...this.dump, capturedAt: kept.capturedAt};
    try {
      await this.go(await this.client.start(dump, CONFIG, kept.key));
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
    this.memory.keep({id: migration.id, key: null, capturedAt: null});
    if (moves(migration)) {
      await this.show("progress");
      this.migration = await this.client.follow(migration, (now) => {
        this.migration = now;
        this.progressed(now);
        this.tell();
      });
    }
    const step = {planned: "preview", awaiting_resolution: "conflicts"}[this.migration.state];
    await this.show(step ?? "result");
  }

  async next(name, body) {
    await this.go(await this.client.step(this.migration, name, body));
  }

  /** Begin anew with a dump: by default this browser's data as they are now. */
  async again(dump = this.fromFile ? null : capture({again: true})) {
    this.memory.startOver();
    Object.assign(this, {dump, migration: null, adopted: false});
    await this.show("beginning");
  }

  notNow() {
    return this.act("Not now", () => this.show("left"), "plain");
  }
}

function left(app) {
  const kept = app.migration ? " Roost keeps the plan; you can go on with it here." : "";
  return [
    h("h2", {}, "Not now"),
    h("p", {}, `Nothing was changed, here or in Roost.${kept}`),
    h("div", {class: "row"}, app.act("Go on", () => app.resume(), "main")),
  ];
}

function lost(app) {
  return [
    h("h2", {}, "Roost cannot be reached"),
    h("p", {}, "What was sent is kept, and Roost goes on with it when it can."),
    h("div", {class: "row"}, app.act("Try again", () => app.resume(), "main")),
  ];
}
