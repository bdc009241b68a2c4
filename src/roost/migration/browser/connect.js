// A token by a pop-up of Roost, in which its owner allows this page to migrate.

import {unique} from "./client.js";

const LOOK_MS = 500;

/** `{token, expiresAt}`; call it in a click, or browsers block the pop-up. */
export function connect(server, signal) {
  const state = unique();
  const query = new URLSearchParams({origin: location.origin, state});
  const popup = open(`${server}/migrate/connect?${query}`, "roost-connect", "popup,width=520,height=680");
  let looking;
  let hear;
  return new Promise((resolve, reject) => {
    const fail = (message) => reject(new Error(message));
    if (!popup) {
      fail("The browser blocked Roost’s window. Allow pop-ups for this page and connect again.");
      return;
    }
    hear = ({origin, source, data}) => {
      if (origin !== server || source !== popup) return;
      if (data?.type !== "roost-connect" || data.state !== state) return;
      if (data.token) resolve(data);
      else fail("It was not allowed in Roost. Connect again if that was a mistake.");
    };
    addEventListener("message", hear);
    let closed = 0;
    looking = setInterval(() => {
      // It closes itself when it has answered; its message may come a moment later.
      if (popup.closed && closed++) fail("Roost’s window was closed before it was allowed. Connect again.");
    }, LOOK_MS);
    signal.addEventListener("abort", () => {
      popup.close();
      reject(signal.reason);
    });
  }).finally(() => {
    clearInterval(looking);
    removeEventListener("message", hear);
  });
}
