// SHA-256 of a JavaScript string as Roost's receipts have it.

/** A string's UTF-8, with lone surrogates passed through as three bytes (WTF-8).
 *  TextEncoder would replace them, and two different strings would have one hash. */
export function bytesOf(text) {
  const bytes = new Uint8Array(text.length * 3);
  let size = 0;
  for (let index = 0; index < text.length; index++) {
    const point = text.codePointAt(index);
    if (point < 0x80) {
      bytes[size++] = point;
    } else if (point < 0x800) {
      bytes[size++] = 0xc0 | (point >> 6);
      bytes[size++] = 0x80 | (point & 63);
    } else {
      if (point < 0x10000) {
        bytes[size++] = 0xe0 | (point >> 12);
      } else {
        index++; // a pair of surrogates is one character
        bytes[size++] = 0xf0 | (point >> 18);
        bytes[size++] = 0x80 | ((point >> 12) & 63);
      }
      bytes[size++] = 0x80 | ((point >> 6) & 63);
      bytes[size++] = 0x80 | (point & 63);
    }
  }
  return bytes.subarray(0, size);
}

/** The hash in hexadecimal. Pages on plain HTTP have no `crypto.subtle`. */
export async function sha256(text) {
  const bytes = bytesOf(text);
  const hash = globalThis.crypto?.subtle
    ? new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))
    : digest(bytes);
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** FIPS 180-4, section 6.2. */
export function digest(bytes) {
  const padded = new Uint8Array(((bytes.length + 8) >> 6 << 6) + 64);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, bytes.length / 0x20000000);
  view.setUint32(padded.length - 4, bytes.length << 3);
  const hash = Uint32Array.from(START);
  for (let offset = 0; offset < padded.length; offset += 64) block(hash, view, offset);
  const result = new DataView(new ArrayBuffer(32));
  hash.forEach((word, index) => result.setUint32(index * 4, word));
  return new Uint8Array(result.buffer);
}

const primes = [2];
for (let number = 3; primes.length < 64; number++) {
  if (primes.every((prime) => number % prime)) primes.push(number);
}
// The first 32 bits of the fractions of the primes' roots.
const fraction = (number) => ((number % 1) * 0x100000000) >>> 0;
const START = primes.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));
const ROUND = primes.map((prime) => fraction(Math.cbrt(prime)));

const turned = (word, bits) => (word >>> bits) | (word << (32 - bits));
const words = new Int32Array(64);

function block(hash, view, offset) {
  let [a, b, c, d, e, f, g, h] = hash;
  for (let i = 0; i < 64; i++) {
    if (i < 16) {
      words[i] = view.getInt32(offset + i * 4);
    } else {
      const near = words[i - 2];
      const far = words[i - 15];
      words[i] = words[i - 16] + words[i - 7] +
        (turned(far, 7) ^ turned(far, 18) ^ (far >>> 3)) +
        (turned(near, 17) ^ turned(near, 19) ^ (near >>> 10));
    }
    const one = (h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) +
      ((e & f) ^ (~e & g)) + ROUND[i] + words[i]) | 0;
    const two = ((turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) +
      ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((word, index) => { hash[index] += word; });
}
