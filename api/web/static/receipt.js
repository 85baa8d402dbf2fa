/**
 * Receipts: the proof that one event is in a log (C2SP tlog-proof), whose `extra` opens what its reader may see.
 */
import {
  VerificationError,
  bytesOfBase64,
  equal,
  hashOfBase64,
  numberOf,
  partition,
  textOf,
  utf8,
} from "./encoding.js";
import { rootFromPath } from "./merkle.js";
import { leafHashOf, parseOpening } from "./opening.js";

const HEADER = "c2sp.org/tlog-proof@v1";
const MAX_PATH = 63;

/** Read a proof: its leaf `index`, audit `path`, `checkpoint` (the signed note) and `extra`, null when it has none. */
export function parseProof(data) {
  const [head, blank, checkpoint] = partition(textOf(data, "the proof"), "\n\n");
  const [header, ...lines] = head.split("\n");
  if (header !== HEADER || !blank) throw new VerificationError("this is not a tlog-proof of version 1");
  let extra = null;
  if (lines[0]?.startsWith("extra ")) extra = bytesOfBase64(lines.shift().slice("extra ".length), "the extra line");
  if (!lines[0]?.startsWith("index ")) throw new VerificationError("the proof has no index line where it belongs");
  const index = numberOf(lines.shift().slice("index ".length), "the leaf index");
  if (lines.length > MAX_PATH) throw new VerificationError(`the proof has more than ${MAX_PATH} hashes`);
  const path = lines.map((line) => hashOfBase64(line, "a hash of the proof"));
  return { index, path, checkpoint: utf8(checkpoint), extra };
}

/**
 * Check a receipt against whom the reader trusts (`Trust`).
 *
 * @throws {VerificationError} whatever the bytes are
 * @returns the `opening`, its leaf `index`, and the `head` of the tree as `Trust.open` gives it.
 */
export async function verifyReceipt(data, trust) {
  const proof = parseProof(data);
  if (proof.extra === null) throw new VerificationError("the proof opens no event");
  const head = await trust.open(proof.checkpoint);
  const opening = parseOpening(proof.extra);
  const root = rootFromPath(leafHashOf(opening), proof.index, head.checkpoint.size, proof.path);
  if (!root || !equal(root, head.checkpoint.root)) {
    throw new VerificationError("what is shown is not in the log's tree", "log.inclusion");
  }
  return { opening, index: proof.index, head };
}
