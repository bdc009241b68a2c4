/**
 * The fingerprint of a raw string: SHA-256 of its UTF-8, lone surrogates passed through.
 *
 * By hand, for `TextEncoder` replaces lone surrogates, and `crypto.subtle` is missing on pages that
 * came by plain HTTP.
 */

/** The bytes of a string; half a surrogate pair becomes three bytes of its own. */
export function bytesOf(text) {
  const bytes = new Uint8Array(text.length * 3);
  let end = 0;
  for (const character of text) {
    const code = character.codePointAt(0);
    if (code < 0x80) bytes[end++] = code;
    else {
      const size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
      bytes[end++] = [0, 0, 0xc0, 0xe0, 0xf0][size] | (code >> (6 * (size - 1)));
      for (let left = size - 2; left >= 0; left--) bytes[end++] = 0x80 | ((code >> (6 * left)) & 63);
    }
  }
  return bytes.subarray(0, end);
}

/** The fractional bits of the roots of the first primes: FIPS 180-4's constants. */
function roots(count, power) {
  const found = [];
  for (let candidate = 2; found.length < count; candidate++) {
    let isPrime = true;
    for (let factor = 2; factor * factor <= candidate; factor++) {
      if (candidate % factor === 0) isPrime = false;
    }
    if (isPrime) found.push(((candidate ** power % 1) * 2 ** 32) | 0);
  }
  return found;
}

const START = roots(8, 1 / 2);
const ROUNDS = roots(64, 1 / 3);
const turn = (word, by) => (word >>> by) | (word << (32 - by));

/** SHA-256 of bytes, in hexadecimal (FIPS 180-4). */
export function sha256(bytes) {
  const size = ((bytes.length + 8) >> 6) + 1;
  const padded = new Uint8Array(size * 64);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor(bytes.length / 2 ** 29));
  view.setUint32(padded.length - 4, bytes.length << 3);
  const hash = Int32Array.from(START);
  const words = new Int32Array(64);
  for (let at = 0; at < padded.length; at += 64) {
    for (let i = 0; i < 16; i++) words[i] = view.getInt32(at + 4 * i);
    for (let i = 16; i < 64; i++) {
      const [a, b] = [words[i - 15], words[i - 2]];
      const low = turn(a, 7) ^ turn(a, 18) ^ (a >>> 3);
      const high = turn(b, 17) ^ turn(b, 19) ^ (b >>> 10);
      words[i] = words[i - 16] + low + words[i - 7] + high;
    }
    let [a, b, c, d, e, f, g, h] = hash;
    for (let i = 0; i < 64; i++) {
      const one = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25);
      const first = (h + one + ((e & f) ^ (~e & g)) + ROUNDS[i] + words[i]) | 0;
      const zero = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22);
      const second = (zero + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((word, i) => (hash[i] += word));
  }
  return Array.from(hash, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}

/** A raw string's hash, as a receipt names it. */
export const fingerprint = (text) => sha256(bytesOf(text));
