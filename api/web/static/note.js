/**
 * Signed notes, their keys, and checkpoints (C2SP signed-note, tlog-cosignature, tlog-checkpoint).
 *
 * A note is a text, a blank line, and signature lines `— <name> <base64(key id || signature)>`. Ed25519 is the
 * browser's; where it has none, a signature is told to be unchecked, and never to hold.
 */
import {
  VerificationError,
  base64Of,
  bytesOfBase64,
  bytesOfHex,
  concat,
  equal,
  hashOfBase64,
  hexOf,
  numberOf,
  ofBigEndian,
  partition,
  textOf,
  utf8,
} from "./encoding.js";
import { sha256 } from "./sha256.js";

export const ED25519 = 1;
export const COSIGNATURE = 4;
const MAX_SIGNATURES = 100;
const MAX_SIZE = 1_000_000;
const DASH = "\u2014 ";
// White space to every program that reads notes: that of Unicode, and the separators of ASCII.
const NOT_IN_NAMES = /[+\u0000-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;
const CONTROL = /[\u0000-\u0009\u000b-\u001f]/;

/** A public key with its name; `text` is the key as it is published (C2SP vkey). */
export class VerifierKey {
  constructor(name, algorithm, publicKey) {
    const typed = concat(Uint8Array.of(algorithm), publicKey);
    this.name = name;
    this.algorithm = algorithm;
    this.publicKey = publicKey;
    // SHA-256(name || 0x0A || type || key), cut to 4 bytes: a hint, never proof of anything.
    this.id = hexOf(sha256(utf8(`${name}\n`), typed).subarray(0, 4));
    this.text = `${name}+${this.id}+${base64Of(typed)}`;
  }

  /** Read `name+hex(key id)+base64(type || key)`. */
  static parse(text) {
    const [name, , rest] = partition(text, "+");
    const [id, , key] = partition(rest, "+");
    const typed = bytesOfBase64(key, "the verifier key");
    checkName(name);
    if (typed.length !== 33 || ![ED25519, COSIGNATURE].includes(typed[0])) {
      throw new VerificationError("the verifier key is not an Ed25519 key (signature type 1 or 4)");
    }
    const parsed = new VerifierKey(name, typed[0], typed.subarray(1));
    if (hexOf(bytesOfHex(id, "the key id")) !== parsed.id) {
      throw new VerificationError("the verifier key does not have the key id that it says");
    }
    return parsed;
  }

  samePublicKey(other) {
    return equal(this.publicKey, other.publicKey);
  }

  /** POSIX seconds of a cosignature as a `BigInt`, null for a plain signature. */
  timestamp(signature) {
    return this.algorithm === COSIGNATURE ? ofBigEndian(signature.payload.subarray(0, 8)) : null;
  }

  /** Whether the signature is this key's over the text; null where the browser has no Ed25519. */
  async accepts(text, signature) {
    const cosigned = this.algorithm === COSIGNATURE;
    const signed = cosigned ? `cosignature/v1\ntime ${this.timestamp(signature)}\n${text}` : text;
    const bytes = cosigned ? signature.payload.subarray(8) : signature.payload;
    if (bytes.length !== 64) return false;
    return (await hasEd25519()) ? verifyEd25519(this.publicKey, bytes, utf8(signed)) : null;
  }
}

/**
 * Check a note against the known keys.
 *
 * @throws {VerificationError} when it is malformed, when no known key signed it, or when a line under a known name and
 *   key id does not verify: such a line is never taken for one of an unknown key.
 * @returns `verified` and `unchecked`, each a Map from a key's text to {key, signature}.
 */
export async function openNote(data, keys) {
  const { text, signatures } = splitNote(data);
  const known = new Map(keys.map((key) => [`${key.name} ${key.id}`, key]));
  const verified = new Map();
  const unchecked = new Map();
  for (const signature of signatures) {
    const key = known.get(`${signature.name} ${signature.id}`);
    if (!key) continue;
    const holds = await key.accepts(text, signature);
    if (holds === false) {
      throw new VerificationError(`the signature of ${key.name} does not verify`, "log.signature");
    }
    const found = holds === null ? unchecked : verified;
    if (!found.has(key.text)) found.set(key.text, { key, signature });
  }
  if (!verified.size && !unchecked.size) {
    throw new VerificationError("no known key signed the note", "log.unverified_note");
  }
  return { text, verified, unchecked };
}

/**
 * Check a signed checkpoint of the log that `key` belongs to. The key's name is the log's origin, so a key cannot vouch
 * for another log's tree, and a witness alone is not enough.
 *
 * @returns the checkpoint {origin, size, root}, `signed` (false when the browser cannot check it), and the
 *   `cosignatures` of known witnesses as {key, seconds}.
 */
export async function openCheckpoint(data, key, witnesses = []) {
  const note = await openNote(data, [key, ...witnesses]);
  if (!note.verified.has(key.text) && !note.unchecked.has(key.text)) {
    throw new VerificationError("the checkpoint is not signed by the log's key", "log.unverified_note");
  }
  const checkpoint = parseCheckpoint(note.text);
  if (checkpoint.origin !== key.name) {
    throw new VerificationError(`the checkpoint is of ${checkpoint.origin}, the key of ${key.name}`, "log.origin");
  }
  const cosignatures = [...note.verified.values()]
    .filter((one) => one.key.algorithm === COSIGNATURE)
    .map((one) => ({ key: one.key, seconds: one.key.timestamp(one.signature) }));
  return { checkpoint, signed: note.verified.has(key.text), cosignatures };
}

/** Read the text of a checkpoint: origin, size and root, each on its line; lines after them are extensions. */
export function parseCheckpoint(text) {
  const lines = text.split("\n");
  const end = lines.pop();
  if (end || lines.length < 3 || lines.some((line) => !line)) {
    throw new VerificationError("a checkpoint has an origin, a size, a root and no empty line");
  }
  const [origin, size, root] = lines;
  return { origin, size: numberOf(size, "the tree size"), root: hashOfBase64(root, "the root hash") };
}

/** Split a note at its last blank line, checking form only. */
export function splitNote(data) {
  if (data.length > MAX_SIZE) throw new VerificationError(`a note has at most ${MAX_SIZE} bytes`);
  const whole = textOf(data, "the note");
  const blank = whole.lastIndexOf("\n\n");
  const lines = whole.slice(blank + 2);
  if (blank < 0 || !lines.endsWith("\n")) throw new VerificationError("the note has no signatures");
  const text = whole.slice(0, blank + 1);
  if (CONTROL.test(text)) throw new VerificationError("the text of a note holds no control character but newlines");
  const signatures = lines.slice(0, -1).split("\n").map(parseSignature);
  if (signatures.length > MAX_SIGNATURES) {
    throw new VerificationError(`a note has at most ${MAX_SIGNATURES} signatures`);
  }
  return { text, signatures };
}

function parseSignature(line) {
  const [name, , blob] = partition(line.startsWith(DASH) ? line.slice(DASH.length) : line, " ");
  const bytes = bytesOfBase64(blob, "a signature");
  if (!line.startsWith(DASH) || bytes.length <= 4) throw new VerificationError("a signature line is malformed");
  checkName(name);
  return { name, id: hexOf(bytes.subarray(0, 4)), payload: bytes.subarray(4) };
}

function checkName(name) {
  if (!name || NOT_IN_NAMES.test(name)) {
    throw new VerificationError("a key name is not empty and has no white space and no plus sign");
  }
}

async function verifyEd25519(publicKey, signature, message) {
  try {
    const key = await crypto.subtle.importKey("raw", publicKey, "Ed25519", false, ["verify"]);
    return await crypto.subtle.verify("Ed25519", key, signature, message);
  } catch {
    return false; // bytes that are no public key
  }
}

let known = null;

/** Whether this browser checks Ed25519: RFC 8032 section 7.1, test 1 holds, and does not over another message. */
export function hasEd25519() {
  known ??= (async () => {
    if (!globalThis.crypto?.subtle) return false; // a page that did not come over HTTPS or from this machine
    const key = bytesOfHex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "");
    const signature = bytesOfHex(
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe" +
        "24655141438e7a100b",
      "",
    );
    const none = new Uint8Array(0);
    return (await verifyEd25519(key, signature, none)) && !(await verifyEd25519(key, signature, Uint8Array.of(0)));
  })();
  return known;
}

