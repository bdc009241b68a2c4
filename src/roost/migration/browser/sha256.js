// SHA-256 of a JavaScript string as Roost's receipts have it. By hand, for pages on plain HTTP have no
// `crypto.subtle`, and TextEncoder replaces lone surrogates: two different strings would have one hash.

/** A string's UTF-8, with lone surrogates passed through as three bytes (WTF-8). */
export function bytesOf(text) {
  const bytes = new Uint8Array(text.length * 3);
  let size = 0;
  for (const character of text) {
    const point = character.codePointAt(0);
    const more = point < 0x80 ? 0 : point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    bytes[size++] = [0, 0xc0, 0xe0, 0xf0][more] | (point >> (6 * more));
    for (let left = more - 1; left >= 0; left--) bytes[size++] = 0x80 | ((point >> (6 * left)) & 63);
  }
  return bytes.subarray(0, size);
}

const primes = [2];
for (let number = 3; primes.length < 64; number++) {
  if (primes.every((prime) => number % prime)) primes.push(number);
}
// The first 32 bits of the fractions of the primes' roots.
const fraction = (number) => (number % 1) * 0x100000000;
const START = primes.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));
const ROUND = Uint32Array.from(primes, (prime) => fraction(Math.cbrt(prime)));
const turned = (word, bits) => (word >>> bits) | (word << (32 - bits));

/** The hash in hexadecimal (FIPS 180-4, section 6.2). */
export function sha256(text) {
  const bytes = bytesOf(text);
  const padded = new Uint8Array(((bytes.length + 8) >> 6 << 6) + 64);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, bytes.length / 0x20000000);
  view.setUint32(padded.length - 4, bytes.length << 3);
  const hash = Uint32Array.from(START);
  const words = new Int32Array(64);
  for (let offset = 0; offset < padded.length; offset += 64) {
    let [a, b, c, d, e, f, g, h] = hash;
    for (let i = 0; i < 64; i++) {
      const [near, far] = [words[i - 2], words[i - 15]];
      words[i] = i < 16 ? view.getInt32(offset + i * 4) : words[i - 16] + words[i - 7] +
        (turned(far, 7) ^ turned(far, 18) ^ (far >>> 3)) +
        (turned(near, 17) ^ turned(near, 19) ^ (near >>> 10));
      const one = (h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) +
        ((e & f) ^ (~e & g)) + ROUND[i] + words[i]) | 0;
      const two = (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((word, index) => { hash[index] += word; });
  }
  return Array.from(hash, (word) => word.toString(16).padStart(8, "0")).join("");
}
