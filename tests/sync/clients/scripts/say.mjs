// Speaks to the test that has started the script: a line of JSON for each thing.
const plain = (_, value) => {
  if (typeof value === "bigint") return { bigint: String(value) };
  if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString("hex") };
  if (typeof value === "number" && !Number.isFinite(value)) return { number: String(value) };
  return value;
};

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
