/** `<roost-migrate>`: looks, asks, shows, and clears what was moved, a step at a time. */
import { Client, connect, isMoving, newKey } from "./client.js";
import { capture, captured, clear, compare, readDump } from "./storage.js";
import { STYLE, bytes, button, h, many } from "./view.js";
import { Conflicts, report, verdicts } from "./review.js";

/** Shown first; everything that can't be read is set aside, nothing is overwritten unasked. */
const CONFIG = { review: true, conflictResolution: "INTERACTIVE", continueOnError: true };

export class RoostMigrate extends HTMLElement {
  #root = this.attachShadow({ mode: "open" });
  #status = h("p", { role: "status", class: "status" });
  #main = h("div");
  #dump = null;
  #client = null;
  #migration = null;

  get server() {
    return this.getAttribute("server") || location.origin;
  }

  /** What has to outlive a reload: where the migration is, and the way to ask for it. */
  get #saved() {
    try {
      return JSON.parse(sessionStorage.getItem(this.#place)) ?? {};
    } catch {
      return {};
    }
  }

  set #saved(state) {
    try {
      sessionStorage.setItem(this.#place, JSON.stringify(state));
    } catch {
      // Without it, a reload begins at the beginning: the server knows what it has.
    }
  }

  get #place() {
    return `roost-migrate ${this.server}`;
  }

  connectedCallback() {
    this.#root.replaceChildren(
      h("style", {}, STYLE),
      h("section", { "aria-label": "Move to Roost" }, this.#main, this.#status),
    );
    this.#dump = this.hasAttribute("file") ? null : captured;
    const { token, id, begun } = this.#saved;
    this.#open(this.getAttribute("token") ?? token ?? null);
    if (id || begun) this.#try(() => this.#resume());
    else this.#look();
  }

  disconnectedCallback() {
    if (this.#client) this.#client.closed = true;
  }

  #open(token) {
    if (this.#client) this.#client.closed = true;
    const onTrouble = (text) => this.#say(text ?? "");
    this.#client = new Client(this.server, { token, onTrouble });
  }

  #say(text) {
    if (this.#status.textContent !== text) this.#status.textContent = text;
  }

  /** Puts a step on the page, and the reader at its beginning. */
  #show(title, ...parts) {
    const heading = h("h2", { tabindex: "-1" }, title);
    const isFirst = !this.#main.hasChildNodes();
    this.#main.replaceChildren(heading, ...parts.flat());
    if (!isFirst) heading.focus();
  }

  /** Does something that may go wrong, and says so in the place where it was asked for. */
  async #try(work) {
    this.#say("");
    try {
      await work();
    } catch (error) {
      if (this.#client.closed) return;
      if (error.status === 401) {
        this.#saved = { ...this.#saved, token: null };
        this.#open(null);
        this.#connect("The log-in has ended. Connect again to go on.");
      } else if (error.status === 404 && this.#saved.id) {
        this.#forget();
        this.#look();
      } else this.#say([error.message, error.hint].filter(Boolean).join(" "));
    }
  }

  #tell() {
    const detail = { state: this.#migration?.state ?? "idle", migration: this.#migration };
    this.dispatchEvent(new CustomEvent("roost-migrate", { detail, bubbles: true, composed: true }));
  }

  #forget() {
    this.#saved = { token: this.#saved.token };
    this.#migration = null;
  }

  #later = () => {
    this.#forget();
    this.#main.replaceChildren(
      h("p", {}, "Nothing was moved or removed."),
      button("Move to Roost …", () => this.#look(), "quiet"),
    );
    this.#tell();
  };

  // Step 1: what is here.

  #look() {
    if (this.hasAttribute("file") && !this.#dump) return this.#ask();
    const keys = Object.entries(this.#dump.keys);
    if (!keys.length) {
      return this.#show("Nothing to move", h("p", {}, "This page keeps nothing in localStorage."));
    }
    const size = keys.reduce((sum, [, value]) => sum + value.length, 0);
    this.#show(
      "Move this app’s data to Roost",
      h("p", {}, `Found ${many(keys.length, "key")}, ${bytes(size)}. You will see what happens to
        each item before anything is stored as yours, and it can be undone at any time.`),
      h("details", {}, h("summary", {}, "What was found"),
        h("table", {}, h("tr", {}, h("th", {}, "Key"), h("th", { class: "number" }, "Size")),
          keys.map(([key, value]) =>
            h("tr", {}, h("td", {}, key), h("td", { class: "number" }, bytes(value.length)))))),
      h("p", { class: "buttons" },
        button("Preview the move", () => this.#try(() => this.#begin())),
        button("Download a copy", () => this.#download(), "quiet"),
        button("Not now", this.#later, "quiet")),
    );
  }

  #ask() {
    const take = (file) => this.#try(async () => {
      try {
        this.#dump = readDump(await file.text());
      } catch (error) {
        throw new Error(`${file.name}: ${error.message}`);
      }
      this.#look();
    });
    const input = h("input", { type: "file", id: "file", accept: ".json,application/json",
      onchange: () => input.files[0] && take(input.files[0]) });
    const zone = h("p", { class: "drop" }, h("label", { for: "file" }, "An export, as a file: "),
      input);
    zone.addEventListener("dragover", (event) => event.preventDefault());
    zone.addEventListener("drop", (event) => {
      event.preventDefault();
      if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
    });
    this.#show("Move a browser’s data to Roost", zone);
  }

  #download() {
    const url = URL.createObjectURL(
      new Blob([JSON.stringify(this.#dump)], { type: "application/json" }));
    h("a", { href: url, download: "localstorage-copy.json" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
    this.#say("A copy is being downloaded.");
  }

  // Step 2: who is asking.

  #connect(why) {
    this.#show("Connect to Roost",
      h("p", {}, why ?? `Log in at ${new URL(this.server, location).host} and allow this page to
        move its data there.`),
      h("p", { class: "buttons" },
        button("Connect", () => this.#try(async () => {
          const { token } = await connect(this.server);
          this.#saved = { ...this.#saved, token };
          this.#open(token);
          await (this.#saved.id ? this.#resume() : this.#begin());
        })),
        button("Not now", this.#later, "quiet")));
  }

  // Step 3: the plan.

  async #begin() {
    if (!this.#client.token && !this.hasAttribute("session")) return this.#connect();
    const key = newKey();
    this.#saved = { ...this.#saved, begun: new Date().toISOString(), id: null };
    this.#show("Looking at it …", h("progress", { "aria-label": "Sending" }));
    const migration = await this.#client.start({ ...this.#dump, config: CONFIG }, key);
    await this.#follow(migration);
  }

  /** After a reload: finds the migration again, wherever it is. */
  async #resume() {
    const { id, begun } = this.#saved;
    if (id) return this.#follow(await this.#client.get(id));
    // The page went while its dump was on the way: it has arrived, or it has not.
    const { running, migrations } = await this.#client.overview();
    const mine = migrations.find(
      (each) => each.origin === location.origin && each.createdAt >= begun);
    if (running ?? mine) return this.#follow(running ?? mine);
    this.#forget();
    this.#look();
  }

  async #follow(migration) {
    this.#saved = { ...this.#saved, id: migration.id };
    this.#moved(migration);
    if (!isMoving(migration)) return this.#arrived();
    const client = this.#client;
    for await (const now of client.watch(migration.id)) {
      if (client.closed) return;
      this.#moved(now);
    }
    return this.#arrived();
  }

  #moved(migration) {
    this.#migration = migration;
    this.#tell();
    const { phase, done, total, itemsPerSecond, etaSeconds, currentKey } = migration.progress;
    const words = { received: "Looking at it", applying: "Storing", verifying: "Checking" };
    const parts = [`${done} of ${total || "?"} items`];
    if (itemsPerSecond) parts.push(`${Math.round(itemsPerSecond)} a second`);
    if (etaSeconds >= 1) parts.push(`about ${Math.ceil(etaSeconds)} s left`);
    if (currentKey) parts.push(`now ${currentKey}`);
    let bar = this.#main.querySelector("progress");
    if (!bar) {
      bar = h("progress", { "aria-label": "Progress" });
      this.#show("", bar, h("p", { class: "detail" }));
    }
    this.#main.querySelector("h2").textContent = `${words[phase] ?? "Working"} …`;
    bar.max = total || 1;
    if (total) bar.value = done;
    let detail = this.#main.querySelector(".detail");
    if (!detail) this.#main.append((detail = h("p", { class: "detail" })));
    detail.textContent = parts.join(" · ");
  }

  async #arrived() {
    const state = this.#migration.state;
    if (state === "planned" || state === "awaiting_resolution") return this.#review();
    return this.#result();
  }

  async #review() {
    const migration = this.#migration;
    const { counts } = migration;
    const conflicts = counts.conflict ? await Conflicts.load(this.#client, migration) : null;
    const go = () => this.#try(async () => {
      const { id } = migration;
      if (conflicts) this.#migration = await this.#client.resolve(id, conflicts.answers());
      // Resolving the last conflict carries on by itself, unless the plan waits for a word.
      const waits = this.#migration.state === "planned";
      await this.#follow(waits ? await this.#client.apply(id) : this.#migration);
    });
    this.#show("What will happen",
      await verdicts(this.#client, migration),
      conflicts?.view() ?? [],
      h("p", { class: "buttons" },
        button("Move it", go),
        button("Download a copy", () => this.#download(), "quiet"),
        button("Not now", () => this.#try(async () => {
          await this.#client.cancel(migration.id);
          this.#later();
        }), "quiet")));
  }

  // Step 4: what happened.

  async #result() {
    const { state, error } = this.#migration;
    const words = {
      completed: "It is in Roost",
      undone: "It was undone",
      cancelled: "It was cancelled",
      failed: "It was not moved",
    };
    const isDone = state === "completed";
    this.#show(words[state] ?? state,
      error ? h("p", { class: "error" }, error.message) : [],
      await report(this.#client, this.#migration),
      isDone && !this.hasAttribute("file") ? await this.#clearing() : [],
      h("p", { class: "buttons" },
        isDone || state === "undone"
          ? button(isDone ? "Undo this migration" : "Undo the undo", () => this.#try(async () => {
              this.#migration = await this.#client.undo(this.#migration.id);
              this.#tell();
              await this.#result();
            }), "quiet")
          : [],
        button(isDone ? "Close" : "Start again", () => {
          this.#forget();
          if (!isDone) return this.#again();
          this.#main.replaceChildren(h("p", {}, "Moved to Roost."));
        }, "quiet")));
  }

  #again() {
    this.#dump = this.hasAttribute("file") ? null : capture();
    this.#look();
  }

  async #clearing() {
    const receipt = await this.#client.receipt(this.#migration.id);
    const { same, changed } = compare(receipt);
    const box = h("div");
    if (same.length) {
      box.append(
        h("p", {}, `This browser still has ${many(same.length, "key")} that ${
          same.length > 1 ? "are" : "is"} safely stored in Roost. They can stay.`),
        button(`Remove ${many(same.length, "key")} from this browser`, () => {
          // Compared again at this moment: what has changed since stays.
          const gone = clear(receipt);
          this.#try(async () => {
            await this.#result();
            this.#say(`Removed ${many(gone.length, "key")} from this browser.`);
          });
        }, "quiet"));
    }
    if (changed.length) {
      box.append(
        h("p", {}, `${changed.join(", ")}: changed since, and not removed.`),
        button("Move what has changed", () => {
          this.#forget();
          this.#again();
        }, "quiet"));
    }
    return box;
  }
}
