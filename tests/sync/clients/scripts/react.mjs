// useShape in a component, in the page, or on the document of jsdom; tells what is shown. A hidden page would pause.
import { given, obey, say } from "./say.mjs";

if (typeof document === "undefined") {
  const { JSDOM } = await import("jsdom");
  globalThis.window = new JSDOM("<!doctype html>", { url: "http://localhost/", pretendToBeVisual: true }).window;
  globalThis.document = window.document;
  globalThis.navigator ??= window.navigator;
}
const { createElement } = await import("react");
const { createRoot } = await import("react-dom/client");
const { useShape } = await import("@electric-sql/react");

function Titles() {
  const { data, isLoading, isError } = useShape(given);
  if (isError) return "an error";
  return isLoading ? "loading" : data.map(({ id, title }) => createElement("li", { key: id }, title));
}

const main = document.body.appendChild(document.createElement("main"));
new window.MutationObserver(() => {
  say({ rows: [...main.querySelectorAll("li")].map((item) => item.textContent), text: main.textContent });
}).observe(main, { childList: true, subtree: true, characterData: true });
const root = createRoot(main);
root.render(createElement(Titles));

await obey({ unmount: () => root.unmount() });
