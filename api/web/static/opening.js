/**
 * Openings: what is shown of one event, and the leaf hash that follows from it (docs/guide/commitment.md).
 *
 * An opening shows of each of the eight parts either its commitment or its salt and bytes; of `what`, single items with
 * their paths. The leaf hash is rebuilt from what is shown, so an opening that was changed no longer has its leaf.
 */
import { HEAD, PART_NAMES, WHAT, checkItem, checkPart } from "./content.js";
import {
  VerificationError,
  bigEndian,
  bytesOfBase64,
  bytesOfHex,
  concat,
  equal,
  hashOfHex,
  hexOf,
  numberOf,
  textOf,
} from "./encoding.js";
import { membersOf, parseJson } from "./json.js";
import { rootFromPath, rootOf } from "./merkle.js";
import { sha256 } from "./sha256.js";

const VERSION = "trace-opening/1";
const MAX_ITEMS = 2n ** 32n - 1n;
const THIS = "an opening";

/**
 * Read an opening.
 *
 * A part is {digest} when it is closed, {salt, content} when it is open, and for `what` {salt, count, root, items},
 * each item {index, salt, content, path}. `recordedAt` is in microseconds UTC.
 *
 * @throws {VerificationError}
 */
export function parseOpening(data) {
  const number = (spelling) => numberOf(spelling, "a number of the opening");
  const value = parseJson(textOf(data, "the opening"), "the opening", { number });
  const [version, eventId, recordedAt, parts] = membersOf(value, ["v", "event_id", "recorded_at", "parts"], THIS);
  if (version !== VERSION) throw new VerificationError(`this is not a ${VERSION}`);
  if (!Array.isArray(parts) || parts.length !== PART_NAMES.length) {
    throw new VerificationError(`an opening has ${PART_NAMES.length} parts`);
  }
  const id = bytesOfHex(string(eventId), "the event id");
  if (id.length !== 16) throw new VerificationError("an event id has 16 bytes");
  const opened = parts.map(parsePart);
  if (opened[HEAD].digest) throw new VerificationError("the head is always open");
  return { eventId: id, recordedAt: numberOf(string(recordedAt), "recorded_at"), parts: opened };
}

/** Read a line of a bundle's events, which has one spelling. */
export function parseLine(line) {
  const text = textOf(line, "an opening");
  let again = null;
  try {
    again = JSON.stringify(JSON.parse(text));
  } catch {
    // told below
  }
  if (again !== text) throw new VerificationError("an opening is not JSON in its only spelling");
  return parseOpening(line);
}

/** Rebuild the event's leaf hash; throws `VerificationError` when what is shown contradicts itself. */
export function leafHashOf(opening) {
  const commitments = opening.parts.map(commitmentOf);
  const commitment = sha256(Uint8Array.of(2), ...commitments);
  return sha256(Uint8Array.of(0), Uint8Array.of(1), opening.eventId, bigEndian(opening.recordedAt, 8), commitment);
}

/** The event's id as it is written: hexadecimal with hyphens (RFC 9562). */
export function eventIdOf(opening) {
  return hexOf(opening.eventId).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** The names of the parts that are withheld, be they there or not. */
export function closedParts(opening) {
  return PART_NAMES.filter((_, part) => opening.parts[part].digest);
}

function commitmentOf(part, number) {
  if (part.digest) return part.digest;
  if (number === WHAT) checkItems(part);
  else checkPart(number, part.content);
  const content = number === WHAT ? concat(bigEndian(part.count, 4), part.root) : part.content;
  return sha256(Uint8Array.of(3, number), part.salt, content);
}

/** Every item that is shown has to be under the root. */
function checkItems({ count, root, items }) {
  const complete = items.length === count;
  const hashes = items.map((item) => sha256(Uint8Array.of(5), item.salt, item.content));
  items.forEach((item, i) => {
    checkItem(item.content);
    if (complete && !item.path.length) return;
    const reached = rootFromPath(hashes[i], BigInt(item.index), BigInt(count), item.path);
    if (!reached || !equal(reached, root)) {
      throw new VerificationError(`item ${item.index} is not under the root of the items`, "log.item");
    }
  });
  if (complete && !equal(rootOf(hashes), root)) {
    throw new VerificationError("the items do not have the root that is shown", "log.item");
  }
}

function parsePart(value, part) {
  if (value instanceof Map && value.has("c")) {
    const [digest] = membersOf(value, ["c"], THIS);
    return { digest: hashOfHex(string(digest), "a commitment") };
  }
  if (part === WHAT) {
    const [salt, count, root, items] = membersOf(value, ["s", "n", "root", "items"], THIS);
    return parseItems(string(salt), count, string(root), items);
  }
  const [salt, content] = membersOf(value, ["s", "bytes"], THIS);
  return { salt: hashOfHex(string(salt), "a salt"), content: bytesOfBase64(string(content), "the bytes of a part") };
}

function parseItems(salt, count, root, items) {
  if (typeof count !== "bigint" || !Array.isArray(items) || count < items.length || count > MAX_ITEMS) {
    throw new VerificationError("the number of items is not what it may be");
  }
  const complete = BigInt(items.length) === count;
  const shown = items.map((item) => parseItem(item, complete));
  if (shown.some((item, i) => i && item.index <= shown[i - 1].index)) {
    throw new VerificationError("the items are not in order");
  }
  if (shown.length && shown.at(-1).index >= count) {
    throw new VerificationError("an item has an index beyond the number of items");
  }
  return {
    salt: hashOfHex(salt, "a salt"),
    count: Number(count),
    root: hashOfHex(root, "the root of the items"),
    items: shown,
  };
}

/** Paths may be left out when all items are there: the root follows from them. */
function parseItem(value, complete) {
  const bare = complete && value instanceof Map && !value.has("path");
  const names = ["j", "t", "bytes", ...(bare ? [] : ["path"])];
  const [index, salt, content, path = []] = membersOf(value, names, THIS);
  if (typeof index !== "bigint" || !Array.isArray(path)) {
    throw new VerificationError("an item has an index and a path");
  }
  return {
    index,
    path: path.map((node) => hashOfHex(string(node), "a hash of an item's path")),
    salt: hashOfHex(string(salt), "the salt of an item"),
    content: bytesOfBase64(string(content), "the bytes of an item"),
  };
}

function string(value) {
  if (typeof value !== "string") throw new VerificationError("an opening has here a string");
  return value;
}
