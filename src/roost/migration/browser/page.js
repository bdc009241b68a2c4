// Roost's own page of migrations: its line for the console, and the list of earlier ones.

const element = document.querySelector("roost-migrate");
const line = document.querySelector("#line");
const copy = document.querySelector("#copy");

copy.hidden = false;
copy.addEventListener("click", async () => {
  // It is selected too: pages on plain HTTP may not write to the clipboard.
  getSelection().selectAllChildren(line);
  const done = await navigator.clipboard?.writeText(line.textContent).then(() => true, () => false);
  document.querySelector("#copied").textContent = done ? "Copied." : "Selected: copy it with Ctrl+C.";
});

// Without this script there is no element to open them in.
const offer = () => document.querySelectorAll("[data-migration]").forEach((button) => { button.hidden = false; });
offer();

document.addEventListener("click", ({target}) => {
  const id = target.dataset.migration;
  if (!id) return;
  element.open(id);
  element.scrollIntoView();
});

// The list is Roost's to write: with each step of the element it is asked for again.
let last;
element.addEventListener("roost-migrate", async ({detail: {migration}}) => {
  const now = migration && `${migration.id} ${migration.state}`;
  if (!now || now === last) return;
  last = now;
  const text = await fetch(location.href).then((answer) => answer.ok ? answer.text() : "", () => "");
  const list = new DOMParser().parseFromString(text, "text/html").querySelector("#earlier");
  // Without an answer, or with a later step on its way, what is there stays.
  if (!list || now !== last) return;
  document.querySelector("#earlier").replaceWith(list);
  offer();
});
