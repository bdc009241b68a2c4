/** Small things to build views of; text never becomes markup. */

/** An element: properties, attributes, `on…` handlers; children are elements, texts or lists. */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element[key] = value;
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children.flat(2).filter((each) => each != null));
  return element;
}

export const button = (text, onclick, kind = "main") =>
  h("button", { type: "button", class: kind, onclick }, text);

export const many = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

/** A size in characters or bytes, for people. */
export function bytes(count) {
  const unit = count < 1e3 ? 0 : count < 1e6 ? 1 : 2;
  return `${unit ? (count / 1e3 ** unit).toFixed(1) : count} ${["B", "KB", "MB"][unit]}`;
}

export const STYLE = `
:host { display: block; font: 15px/1.5 system-ui, sans-serif; color-scheme: light dark;
  color: light-dark(#1b1f24, #e6e8eb); --line: light-dark(#d4d8dd, #3a4048);
  --soft: light-dark(#f4f6f8, #22272d); --accent: light-dark(#1a56c4, #7aa9ff) }
section { background: light-dark(#fff, #181b1f); border: 1px solid var(--line); border-radius: 8px;
  padding: 1rem 1.25rem; max-width: 46rem }
h2 { font-size: 1.15rem; margin: 0 0 .5rem } h2:focus { outline: none }
h3 { font-size: 1rem; margin: 1rem 0 .25rem }
p { margin: .5rem 0 } .buttons { display: flex; flex-wrap: wrap; gap: .5rem; margin-top: 1rem }
button { font: inherit; padding: .4rem .9rem; border-radius: 6px; border: 1px solid var(--line);
  background: var(--soft); color: inherit; cursor: pointer }
button.main { background: var(--accent); border-color: var(--accent);
  color: light-dark(#fff, #10151c) }
button:focus-visible, input:focus-visible, select:focus-visible, summary:focus-visible {
  outline: 2px solid var(--accent); outline-offset: 2px }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; table-layout: fixed }
th, td { text-align: left; vertical-align: top; padding: .3rem .5rem;
  border-top: 1px solid var(--line); overflow-wrap: anywhere }
th { font-weight: 600 } .number { text-align: right; width: 6rem }
progress { width: 100%; accent-color: var(--accent) }
fieldset { border: 1px solid var(--line); border-radius: 6px; margin: .75rem 0 }
legend { font-weight: 600; padding: 0 .4rem } fieldset label { margin-right: 1rem }
details { margin: .25rem 0 } summary { cursor: pointer }
.status:empty { margin: 0 } .status, .detail { color: light-dark(#57606a, #9aa4ae) }
.error { color: light-dark(#b3261e, #ff9a92) }
.drop { border: 2px dashed var(--line); border-radius: 6px; padding: 1rem }
`;
