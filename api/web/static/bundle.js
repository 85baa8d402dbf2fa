/**
 * Bundles: a zip of an answer with the events behind it and one proof for all of them (docs/guide/bundles.md).
 */
import { checkAnswer, integerOf, stringOf } from "./answer.js";
import { VerificationError, equal, numberOf, textOf } from "./encoding.js";
import { membersOf, parseJson } from "./json.js";
import { MAX_LEAVES, parseMultiproof, rootOfMultiproof } from "./multiproof.js";
import { VerifierKey } from "./note.js";
import { leafHashOf, parseLine } from "./opening.js";
import { readZip } from "./zip.js";

const VERSION = "trace-bundle/1";
const KINDS = ["item", "trace", "part", "events", "evidence"];
const MAX_LOGS = 20;
const [README, MANIFEST, ANSWER, EVENTS, POLICY] = [
  "README.txt",
  "bundle.json",
  "answer.json",
  "events.ndjson",
  "policy",
];
const PAUSE_AFTER = 250; // events, so that the page stays alive and can say how far it is

/**
 * Check a bundle against whom the reader trusts (`Trust`); `progress` is told how many events are done.
 *
 * @throws {VerificationError} whatever the bytes are; `where` names the log, event or file at which a check failed.
 * @returns the `manifest`, the text of the `answer`, the `logs`, each {head, indices, openings, firstPosition}, and the
 *   names of files that are `unchecked`.
 */
export async function verifyBundle(data, trust, progress = () => {}) {
  const files = await readZip(data);
  const manifest = parseManifest(fileOf(files, MANIFEST));
  for (const name of [README, POLICY]) fileOf(files, name);
  const lines = linesOf(fileOf(files, EVENTS));
  const known = new Set([README, MANIFEST, ANSWER, EVENTS, POLICY]);
  const logs = [];
  let done = 0;
  for (const [i, log] of manifest.logs.entries()) {
    const names = [`${i + 1}.checkpoint`, `${i + 1}.proof`];
    names.forEach((name) => known.add(name));
    const [note, proof] = names.map((name) => fileOf(files, name));
    const proven = await within(names.join(" and "), () => prove(log, note, proof, lines, done, trust, progress));
    logs.push(proven);
    done += proven.openings.length;
  }
  if (done < lines.length) throw new VerificationError("the bundle has events that no proof is of");
  if (done > MAX_LEAVES) throw new VerificationError(`a bundle has at most ${MAX_LEAVES} events`, "bundle.too_large");
  const answer = fileOf(files, ANSWER);
  await within(ANSWER, () => checkAnswer(answer, manifest, eventsOf(logs)));
  const unchecked = [...files.keys()].filter((name) => !known.has(name));
  return { manifest, answer: textOf(answer, ANSWER), logs, unchecked };
}

/** The events of one log: the lines from `first` on, as many as its proof has leaves. */
async function prove({ key, firstPosition }, note, proofFile, lines, first, trust, progress) {
  const head = await trust.open(note, key);
  const proof = parseMultiproof(proofFile);
  if (proof.size !== head.checkpoint.size) {
    throw new VerificationError("the multi-proof is of another tree size than the checkpoint", "log.inclusion");
  }
  const openings = [];
  const leafHashes = [];
  for (const line of lines.slice(first, first + proof.indices.length)) {
    const number = first + openings.length + 1;
    await within(`event ${number} of ${lines.length} (line ${number} of ${EVENTS})`, () => {
      openings.push(parseLine(line));
      leafHashes.push(leafHashOf(openings.at(-1)));
    });
    if (number % PAUSE_AFTER === 0) {
      progress(number, lines.length);
      await new Promise((resume) => setTimeout(resume));
    }
  }
  if (!equal(rootOfMultiproof(proof, leafHashes), head.checkpoint.root)) {
    throw new VerificationError("what is shown is not in the log's tree", "log.inclusion");
  }
  return { head, indices: proof.indices, openings, firstPosition };
}

function parseManifest(data) {
  const number = (spelling) => numberOf(spelling, "a number");
  const value = parseJson(textOf(data, MANIFEST), MANIFEST, { number });
  const ofPage = value instanceof Map && value.get("kind") === "events";
  const members = ["v", "kind", "reader", "question", "known_at", "logs", ...(ofPage ? ["positions"] : [])];
  const [version, kind, reader, question, knownAt, logs, positions = []] = membersOf(value, members, MANIFEST);
  if (version !== VERSION) throw new VerificationError(`this is not a ${VERSION}`);
  if (!KINDS.includes(kind) || typeof reader !== "string" || !(question instanceof Map)) {
    throw new VerificationError(`${MANIFEST} has a kind, a reader or a question that cannot be`);
  }
  if (!Array.isArray(logs) || !logs.length || logs.length > MAX_LOGS) {
    throw new VerificationError(`a bundle is of 1 to ${MAX_LOGS} logs`);
  }
  const bundled = logs.map((log) => {
    const [vkey, firstPosition] = membersOf(log, ["vkey", "first_position"], "a log of the bundle");
    return { key: VerifierKey.parse(stringOf(vkey)), firstPosition: integerOf(firstPosition) };
  });
  if (bundled.some((log, i) => i && log.firstPosition <= bundled[i - 1].firstPosition)) {
    throw new VerificationError("the logs of the bundle are not in order of position");
  }
  if (!Array.isArray(positions)) throw new VerificationError("positions are a list");
  return { kind, reader, question, knownAt: integerOf(knownAt), logs: bundled, positions: positions.map(integerOf) };
}

/** The events by position in the ledger, each {opening, leaf}. */
function eventsOf(logs) {
  const events = new Map();
  let last = -1n;
  for (const { firstPosition, indices, openings } of logs) {
    if (firstPosition <= last) throw new VerificationError("two logs of the bundle have the same positions");
    indices.forEach((leaf, i) => events.set(firstPosition + leaf, { opening: openings[i], leaf }));
    last = firstPosition + indices.at(-1);
  }
  return events;
}

/** Run a check; an error that it throws is said to be there, unless it says so more exactly itself. */
async function within(where, check) {
  try {
    return await check();
  } catch (error) {
    if (error instanceof VerificationError) error.where ??= where;
    throw error;
  }
}

function fileOf(files, name) {
  if (!files.has(name)) throw new VerificationError(`the bundle has no ${name}`, "bundle.incomplete");
  return files.get(name);
}

function linesOf(data) {
  if (data.at(-1) !== 0x0a) throw new VerificationError(`${EVENTS} is cut off`);
  const lines = [];
  for (let start = 0; start < data.length; ) {
    const end = data.indexOf(0x0a, start);
    lines.push(data.subarray(start, end));
    start = end + 1;
  }
  return lines;
}
