/**
 * The answer of a bundle held against its events: which it names, and what it says of them (docs/guide/bundles.md).
 *
 * An item or a trace is made of many events, and names them. A page of EPCIS events, or a piece of evidence, only
 * repeats what its events say, so there it is compared member by member with what is shown of them.
 */
import { HEAD, HOW, MORE, WHAT, WHERE, WHY, jsonObject } from "./content.js";
import { VerificationError, textOf } from "./encoding.js";
import { Numeral, parseJson } from "./json.js";
import { eventIdOf } from "./opening.js";

const ANSWER = "answer.json";
const TYPES = new Map(
  ["Object", "Aggregation", "Transaction", "Transformation", "Association"].map((name) => [
    `epcis.${name.toLowerCase()}_event.v2`,
    `${name}Event`,
  ]),
);
const OF_HEAD = ["eventTimeZoneOffset", "action", "bizStep", "disposition", "persistentDisposition"];
const SINGLE = ["parentID", "transformationID"];
const DISTINCT = ["epcList", "inputEPCList", "outputEPCList"];
const EVIDENCE = "notary.evidence_registered.v1";
const OF_EVIDENCE = ["sha256", "size", "statement"];
const LAST_SECOND = 253402300799n; // of the year 9999

/** Check that the answer fits `events`, a map of {opening, leaf} by position; throws `VerificationError`. */
export function checkAnswer(data, manifest, events) {
  const answer = parseJson(textOf(data, ANSWER), ANSWER);
  if (!(answer instanceof Map)) throw new VerificationError(`${ANSWER} is not a JSON object`);
  if (manifest.kind === "events") {
    checkEvents(answer, manifest, events);
    return;
  }
  checkNames(answer, manifest, events);
  if (manifest.kind === "evidence") checkEvidence(answer, events);
}

/** The answer may name no event but those that are proven, and none by what is not its own. */
function checkNames(answer, manifest, events) {
  const known = answer.has("known_at") ? integerOf(answer.get("known_at")) : null;
  if (known !== (manifest.kind === "evidence" ? null : manifest.knownAt)) {
    throw new VerificationError(`${ANSWER} is as known at another position than the bundle`);
  }
  const ids = new Set(Array.from(events.values(), ({ opening }) => eventIdOf(opening)));
  const waiting = [answer];
  while (waiting.length) {
    const value = waiting.pop();
    if (Array.isArray(value)) for (const one of value) waiting.push(one);
    if (!(value instanceof Map)) continue;
    for (const one of value.values()) waiting.push(one);
    for (const name of ["position", "opened_by", "closed_by"]) {
      if (given(value.get(name))) eventAt(integerOf(value.get(name)), manifest, events);
    }
    if (value.has("positions")) {
      if (!Array.isArray(value.get("positions"))) throw new VerificationError("positions are a list");
      value.get("positions").forEach((position) => eventAt(integerOf(position), manifest, events));
    }
    if (given(value.get("position"))) {
      const { opening, leaf } = eventAt(integerOf(value.get("position")), manifest, events);
      const otherId = value.has("event_id") && stringOf(value.get("event_id")) !== eventIdOf(opening);
      const otherLeaf = given(value.get("leaf_index")) && integerOf(value.get("leaf_index")) !== leaf;
      if (otherId || otherLeaf) throw answerError("the answer names an event by what is not its own");
    }
    if (given(value.get("retracted_by")) && !ids.has(stringOf(value.get("retracted_by")))) {
      throw answerError("the answer names an event that is not in the bundle");
    }
  }
}

function eventAt(position, manifest, events) {
  if (position > manifest.knownAt) throw answerError("the answer names an event that was not known yet");
  const event = events.get(position);
  if (!event) throw answerError(`the answer names an event that is not in the bundle, at position ${position}`);
  return event;
}

/** The events of a query document are those of the bundle, in the order that the manifest gives. */
function checkEvents(answer, manifest, events) {
  const found = manifest.positions.map((position) => eventAt(position, manifest, events));
  if (found.length !== events.size || new Set(manifest.positions).size !== events.size) {
    throw answerError("the bundle does not hold the events of the answer, each once");
  }
  const list = ["epcisBody", "queryResults", "resultsBody", "eventList"].reduce(
    (value, name) => (value instanceof Map ? value.get(name) : undefined),
    answer,
  );
  if (!Array.isArray(list) || list.length !== found.length) {
    throw answerError("the answer is no query document with as many events as the bundle");
  }
  list.forEach((event, number) => {
    if (!same(event, eventOf(found[number].opening))) {
      throw answerError(`event ${number} of the answer is not what is shown of it`);
    }
  });
}

/** The members of an EPCIS event (JSON binding of EPCIS 2.0) that an opening shows, numbers as spelled. */
function eventOf(opening) {
  const [head, more] = [contentOf(opening, HEAD), contentOf(opening, MORE)];
  const kind = TYPES.get(head.get("type"));
  if (!kind) throw answerError("the bundle holds an event that is none of EPCIS");
  const event = new Map([
    ["type", kind],
    ["eventTime", head.get("occurred_at")],
    ["recordTime", timeText(opening.recordedAt)],
  ]);
  for (const name of OF_HEAD) if (head.has(name)) event.set(name, head.get(name));
  const declarations = [head, more].filter((part) => part.has("errorDeclaration"));
  if (declarations.length) {
    const parts = declarations.map((part) => part.get("errorDeclaration"));
    if (!parts.every((part) => part instanceof Map)) throw answerError("an error declaration is no object");
    event.set("errorDeclaration", new Map(parts.flatMap((part) => [...part])));
  }
  for (const [name, items] of listsOf(opening)) {
    const once = DISTINCT.includes(name) && kind !== "TransactionEvent";
    event.set(name, SINGLE.includes(name) ? items[0] : once ? [...new Set(items)] : items);
  }
  for (const part of [WHERE, WHY, HOW]) for (const [name, value] of contentOf(opening, part)) event.set(name, value);
  for (const [name, value] of more) if (!["recordTime", "errorDeclaration"].includes(name)) event.set(name, value);
  return event;
}

function listsOf(opening) {
  const lists = new Map();
  for (const { content } of opening.parts[WHAT].items ?? []) {
    const item = jsonObject(content, "an item");
    const [name, id] = [item.get("list"), item.get("id")];
    const rest = [...item].filter(([member]) => !["list", "id"].includes(member));
    if (!lists.has(name)) lists.set(name, []);
    lists.get(name).push(name.endsWith("uantityList") ? new Map([["epcClass", id], ...rest]) : id);
  }
  return lists;
}

/** A piece of evidence is one event, and says of it what is shown. */
function checkEvidence(answer, events) {
  if (events.size !== 1) throw answerError("evidence is one event");
  const [[position, { opening }]] = events;
  const head = contentOf(opening, HEAD);
  const payload = contentOf(opening, MORE).get("payload");
  if (head.get("type") !== EVIDENCE || !(payload instanceof Map)) {
    throw answerError("the bundle holds no evidence, or does not show it");
  }
  const shown = [
    ...OF_EVIDENCE.map((name) => [name, payload.get(name) ?? null]),
    ["position", new Numeral(String(position))],
    ["event_id", eventIdOf(opening)],
    ["registered_by", head.get("captured_by")],
    ["recorded_at", timeText(opening.recordedAt)],
    ["stored", payload.get("stored") === true],
  ];
  if (!shown.every(([name, value]) => answer.has(name) && same(answer.get(name), value))) {
    throw answerError("the answer says something else of the evidence than is shown");
  }
}

function contentOf(opening, part) {
  const { content } = opening.parts[part];
  return content?.length ? jsonObject(content, "a part") : new Map();
}

/** Whether two values of JSON are the same; a number is as it is spelled. */
function same(one, other) {
  if (one instanceof Numeral) return other instanceof Numeral && one.text === other.text;
  if (Array.isArray(one)) {
    return Array.isArray(other) && one.length === other.length && one.every((value, i) => same(value, other[i]));
  }
  if (one instanceof Map) {
    if (!(other instanceof Map) || one.size !== other.size) return false;
    return [...one].every(([name, value]) => other.has(name) && same(value, other.get(name)));
  }
  return one === other;
}

/** A time in microseconds UTC as the parts and EPCIS write it. */
function timeText(microseconds) {
  const seconds = microseconds / 1_000_000n;
  if (seconds > LAST_SECOND) throw answerError("an event is said to be recorded after the year 9999");
  const text = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  return `${text}.${String(microseconds % 1_000_000n).padStart(6, "0")}Z`;
}

function given(value) {
  return value !== undefined && value !== null;
}

export function integerOf(value) {
  if (typeof value === "bigint") return value;
  if (value instanceof Numeral && /^-?[0-9]+$/.test(value.text)) return BigInt(value.text);
  throw new VerificationError("a position is a whole number");
}

export function stringOf(value) {
  if (typeof value !== "string") throw new VerificationError("a key or the id of an event is a string");
  return value;
}

function answerError(message) {
  return new VerificationError(message, "bundle.answer");
}
