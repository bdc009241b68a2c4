// Small parts that every step is made of. Text goes in as text only, never as markup.

/** An element; `on…` attributes are listeners, false and null ones are left out, as are such children. */
export function h(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== false && value != null) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child != null && child !== false));
  return made;
}

export const p = (...children) => h("p", {}, ...children);
export const soft = (...children) => h("p", {class: "soft"}, ...children);
export const note = (...children) => h("p", {class: "note"}, ...children);
export const row = (...children) => h("div", {class: "row"}, ...children);
export const list = (items) => items.length > 0 && h("ul", {}, items.map((item) => h("li", {}, item)));
export const title = (text) => h("h2", {}, text);

/** What there is of some parts, as one text. */
export const joined = (separator, ...parts) => parts.filter(Boolean).join(separator);

export const button = (text, onclick, kind) => h("button", {type: "button", class: kind, onclick}, text);

const numbers = new Intl.NumberFormat("en", {maximumFractionDigits: 1});

export const many = (number, what = "item") => `${numbers.format(number)} ${what}${number === 1 ? "" : "s"}`;

export function size(bytes) {
  if (bytes < 1024) return many(bytes, "byte");
  return bytes < 1048576 ? `${numbers.format(bytes / 1024)} KiB` : `${numbers.format(bytes / 1048576)} MiB`;
}

/** A table; each row is a list of what its cells hold, the first of them its header. */
export function table(caption, heads, rows) {
  return h("div", {class: "wide", tabindex: 0, role: "region", "aria-label": caption},
    h("table", {}, h("caption", {}, caption),
      h("thead", {}, h("tr", {}, heads.map((head) => h("th", {scope: "col"}, head)))),
      h("tbody", {}, rows.map(([first, ...rest]) =>
        h("tr", {}, h("th", {scope: "row"}, first), rest.map((cell) => h("td", {}, cell)))))));
}

/** A group of radio buttons: `options` are pairs of value and label. */
export function choice(legend, options, chosen, onchoose) {
  const name = Math.random();
  return h("fieldset", {}, h("legend", {}, legend), options.map(([value, label]) =>
    h("label", {}, h("input", {
      type: "radio", name, value, checked: value === chosen, onchange: () => onchoose(value),
    }), label)));
}

/** Hand a file to the browser's downloads. */
export function download(name, content) {
  const href = URL.createObjectURL(new Blob([content], {type: "application/json"}));
  h("a", {href, download: name}).click();
  setTimeout(() => URL.revokeObjectURL(href), 60000);
}
