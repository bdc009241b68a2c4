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

for (const button of document.querySelectorAll("[data-migration]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    element.open(button.dataset.migration);
    element.scrollIntoView();
  });
}

element.addEventListener("roost-migrate", ({detail: {migration}}) => {
  const cell = migration && document.querySelector(`[data-state="${CSS.escape(migration.id)}"]`);
  if (cell) cell.textContent = migration.state;
});
