// A token by a pop-up of Roost, in which its owner allows this page to migrate.

import {unique} from "./client.js";

const LOOK_MS = 500;

/** `{token, expiresAt}`; call it in a click, or browsers block the pop-up. */
export function connect(server, signal) {
  const state = unique();
  const query = new URLSearchParams({origin: location.origin, state});
  const popup = open(`${server}/migrate/connect?${query}`, "roost-connect", "popup,width=520,height=680");
  return new Promise((resolve, reject) => {
    const trusted = new URL(server).origin;
    let looking;
    const settle = (settled, value) => {
      clearInterval(looking);
      removeEventListener("message", hear);
      settled(value);
    };
    const fail = (message) => settle(reject, new Error(message));
    function hear({origin, source, data}) {
      if (origin !== trusted || source !== popup) return;
      if (data?.type !== "roost-connect" || data.state !== state) return;
      if (data.token) settle(resolve, {token: data.token, expiresAt: data.expiresAt});
      else fail("It was not allowed in Roost. Connect again if that was a mistake.");
    }
    if (!popup) {
      fail("The browser blocked Roost's window. Allow pop-ups for this page and connect again, or enter a token.");
      return;
    }
    addEventListener("message", hear);
    let closed = 0;
    looking = setInterval(() => {
      // It closes itself when it has answered; its message may come a moment later.
      if (popup.closed && closed++) fail("Roost's window was closed before it was allowed. Connect again when you like.");
    }, LOOK_MS);
    signal?.addEventListener("abort", () => {
      popup.close();
      fail("Stopped.");
    });
  });
}
