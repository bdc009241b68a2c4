// What Roost's words for kinds and verdicts are called on the page.

export const KINDS = {
  task: "Tasks", message: "Messages", environment: "Environments", document: "Documents",
  preference: "Preferences", secret: "Secrets", offlineWrite: "Unsent changes",
  backup: "Backup copies", cache: "Caches", probe: "Probes", unknown: "Unknown keys",
};

export const VERDICTS = {
  create: "New", same: "Already in Roost", update: "Changed", conflict: "In conflict",
  invalid: "Not readable", skip: "Left out",
};

export const RESOLUTIONS = [
  ["skip", "Keep Roost’s"], ["overwrite", "Take the browser’s"], ["merge", "Merge both"],
  ["keepBoth", "Keep both"],
];
