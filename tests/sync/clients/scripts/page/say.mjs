// Stands for the other `say.mjs` in a page: what is said lies in `said`, and `perform` does things.
import { plain } from "./plain.mjs";

export const given = JSON.parse(decodeURIComponent(location.hash.slice(1)));
const said = [];
window.said = () => said;

export function say(what) {
  said.push(JSON.stringify(what, plain));
}

export async function obey(commands) {
  window.perform = async (name, rest) => {
    try {
      say({ did: name, result: await commands[name](rest) });
    } catch (error) {
      say({ failed: name, error: error.name, message: error.message });
    }
  };
  say({ obeys: true });
}

addEventListener("error", ({ message }) => say({ fault: message }));
addEventListener("unhandledrejection", ({ reason }) => say({ fault: String(reason) }));
