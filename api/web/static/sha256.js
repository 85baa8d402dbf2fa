/**
 * SHA-256 (FIPS 180-4), at once: the browser's own is asynchronous, and one call of it takes longer than this takes
 * for the short inputs of a tree. `tests/browser` compares the two.
 */

/** Round constants and start values: the first 32 bits of fractions of roots of primes (sections 4.2.2 and 5.3.3). */
const [ROUND, START] = constants();

const words = new Int32Array(64);
const state = new Int32Array(8);

/** Hash the bytes of all pieces, one after the other. */
export function sha256(...pieces) {
  let size = 0;
  for (const piece of pieces) size += piece.length;
  // Section 5.1.1: the bit 1, zeros, and the length in bits as 64 bits, to a multiple of 64 bytes.
  const padded = new Uint8Array((size + 72) & ~63);
  let at = 0;
  for (const piece of pieces) {
    padded.set(piece, at);
    at += piece.length;
  }
  padded[size] = 0x80;
  const end = padded.length;
  for (let i = 0, left = 8 * size; left; i++, left = Math.floor(left / 256)) padded[end - 1 - i] = left % 256;
  state.set(START);
  for (let block = 0; block < end; block += 64) compress(padded, block);
  const digest = new Uint8Array(32);
  for (let i = 0; i < 32; i++) digest[i] = state[i >> 2] >>> (24 - 8 * (i & 3));
  return digest;
}

/** Section 6.2.2. Written out without iterators, which take longer than the arithmetic until they are compiled. */
function compress(bytes, block) {
  for (let t = 0, i = block; t < 16; t++, i += 4) {
    words[t] = (bytes[i] << 24) | (bytes[i + 1] << 16) | (bytes[i + 2] << 8) | bytes[i + 3];
  }
  for (let t = 16; t < 64; t++) {
    const x = words[t - 15];
    const y = words[t - 2];
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    words[t] = (words[t - 16] + s0 + words[t - 7] + s1) | 0;
  }
  let a = state[0];
  let b = state[1];
  let c = state[2];
  let d = state[3];
  let e = state[4];
  let f = state[5];
  let g = state[6];
  let h = state[7];
  for (let t = 0; t < 64; t++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + ROUND[t] + words[t]) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
  state[5] += f;
  state[6] += g;
  state[7] += h;
}

/** The constants from their definition, in whole numbers: a table of 72 words is hard to read and easy to mistype. */
function constants() {
  const primes = [];
  for (let n = 2n; primes.length < 64; n++) if (primes.every((prime) => n % prime)) primes.push(n);
  const fraction = (prime, degree) => {
    // The largest x with x^degree <= prime * 2^(32 * degree), bit by bit; its lowest 32 bits are the fraction's.
    let root = 0n;
    for (let bit = 1n << 40n; bit; bit >>= 1n) {
      if ((root + bit) ** degree <= prime << (32n * degree)) root += bit;
    }
    return Number(BigInt.asIntN(32, root));
  };
  return [
    Int32Array.from(primes, (prime) => fraction(prime, 3n)),
    Int32Array.from(primes.slice(0, 8), (prime) => fraction(prime, 2n)),
  ];
}
