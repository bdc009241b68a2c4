// Speaks to the test that has started the script: a line of JSON for each thing.
import { plain } from "./plain.mjs";

export const given = JSON.parse(process.argv[2]);

export function say(what) {
  process.stdout.write(`${JSON.stringify(what, plain)}\n`);
}

// Runs the function of that name for each line of standard input: `name argument`.
export async function obey(commands) {
  const { createInterface } = await import("node:readline");
  for await (const line of createInterface({ input: process.stdin })) {
    const { name, ...rest } = JSON.parse(line);
    try {
      say({ did: name, result: await commands[name](rest) });
    } catch (error) {
      say({ failed: name, error: error.name, message: error.message });
    }
  }
  process.exit(0);
}
