// What has to survive a reload of the page: which migration, which request, whose token.

const SOON_MS = 5000;

/** What is remembered for one Roost, in this tab only. */
export class Memory {
  constructor(server) {
    this.name = `roost-migrate ${server}`;
    this.values = {};
    try {
      this.values = JSON.parse(sessionStorage.getItem(this.name)) ?? {};
    } catch {
      // Without storage it lasts as long as the page.
    }
    if (Date.parse(this.values.expiresAt) < Date.now() + SOON_MS) this.values.token = null;
  }

  /** Remember these values beside the others. */
  keep(values) {
    Object.assign(this.values, values);
    try {
      sessionStorage.setItem(this.name, JSON.stringify(this.values));
    } catch {
      // As above.
    }
  }

  /** Forget the migration, not who is connected. */
  startOver() {
    const {token, expiresAt} = this.values;
    this.values = {};
    this.keep({token, expiresAt});
  }
}
