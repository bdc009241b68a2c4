// What JSON has no word for.
export function plain(_, value) {
  if (typeof value === "bigint") return { bigint: String(value) };
  if (value instanceof Uint8Array) return { bytes: Array.from(value, (octet) => octet.toString(16).padStart(2, "0")).join("") };
  if (typeof value === "number" && !Number.isFinite(value)) return { number: String(value) };
  return value;
}
