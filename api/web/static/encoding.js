/**
 * Bytes, base64, hexadecimal and decimal as the formats of the log want them: one spelling for one value.
 *
 * A proof that can be spelled in two ways can be changed without anyone noticing, so every other spelling is refused.
 * Bytes are `Uint8Array`; numbers that may exceed 2^53 are `BigInt`.
 */

/** What was checked is malformed, or does not prove what it should. `code` is stable, `where` names the entry. */
export class VerificationError extends Error {
  constructor(message, code = "log.verification") {
    super(message);
    this.code = code;
    this.where = null;
  }
}

const HASH_SIZE = 32;
const LARGEST = 2n ** 63n - 1n;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const DIGITS = "0123456789abcdef";

export function concat(...pieces) {
  const whole = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

export function equal(one, other) {
  return one.length === other.length && one.every((byte, i) => byte === other[i]);
}

export function utf8(text) {
  return new TextEncoder().encode(text);
}

export function textOf(bytes, what) {
  try {
    return UTF8.decode(bytes);
  } catch {
    throw new VerificationError(`${what} is not UTF-8`);
  }
}

/** Standard base64 with padding (RFC 4648, section 4). */
export function bytesOfBase64(text, what) {
  let binary;
  try {
    binary = atob(text);
  } catch {
    throw new VerificationError(`${what} is not base64`);
  }
  // `atob` takes white space, missing padding and unused bits that are set.
  if (btoa(binary) !== text) throw new VerificationError(`${what} is not base64 in its only spelling`);
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

export function base64Of(bytes) {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

export function bytesOfHex(text, what) {
  if (!/^(?:[0-9a-f]{2})*$/.test(text)) throw new VerificationError(`${what} is not lower-case hexadecimal`);
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

export function hexOf(bytes) {
  let text = "";
  for (const byte of bytes) text += DIGITS[byte >> 4] + DIGITS[byte & 15];
  return text;
}

export function hashOfBase64(text, what) {
  return hashSized(bytesOfBase64(text, what), what);
}

export function hashOfHex(text, what) {
  return hashSized(bytesOfHex(text, what), what);
}

function hashSized(bytes, what) {
  if (bytes.length !== HASH_SIZE) throw new VerificationError(`${what} has ${bytes.length} bytes, not ${HASH_SIZE}`);
  return bytes;
}

/** A decimal number from 0 to 2^63-1 without sign or leading zeros, as a `BigInt`. */
export function numberOf(text, what) {
  const number = /^(?:0|[1-9][0-9]{0,18})$/.test(text) ? BigInt(text) : null;
  if (number === null || number > LARGEST) {
    throw new VerificationError(`${what} is not a decimal number from 0 to 2^63-1`);
  }
  return number;
}

/** Big-endian bytes of an unsigned number. */
export function bigEndian(number, size) {
  const bytes = new Uint8Array(size);
  let left = BigInt(number);
  for (let i = size - 1; i >= 0; i--) {
    bytes[i] = Number(left & 255n);
    left >>= 8n;
  }
  return bytes;
}

export function ofBigEndian(bytes) {
  return bytes.reduce((number, byte) => (number << 8n) | BigInt(byte), 0n);
}

/** Split at the first `separator`: what is before it, whether it is there, what is after it. */
export function partition(text, separator) {
  const at = text.indexOf(separator);
  return at < 0 ? [text, false, ""] : [text.slice(0, at), true, text.slice(at + separator.length)];
}
